//! The events of a run.

use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt;
use openrouter_kit::agent::*;
use openrouter_kit::mock::{Answer, Fault, Place};
use serde_json::{Value, json};

use super::{call_item, calls, echo, no_parameters, response, says, scripted, text_item};

use crate::a_limit::tokio;

/// A response as events, its text in pieces.
fn streamed(output: &[Value], deltas: &[&str]) -> Answer {
    let mut events = vec![json!({"type": "response.created", "response": response(&[])})];
    for (index, item) in output.iter().enumerate() {
        events.push(json!({"type": "response.output_item.added", "output_index": index, "item": item}));
    }
    for delta in deltas {
        events.push(json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0,
            "item_id": "msg_1", "delta": delta}));
    }
    for (index, item) in output.iter().enumerate() {
        events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": response(output)}));
    Answer::stream(events)
}

fn name(event: &Event) -> String {
    match event {
        Event::StepStarted { step } => format!("step {step}"),
        Event::Model(_) => "model".to_owned(),
        Event::TextDelta(text) => format!("text {text}"),
        Event::ReasoningDelta(text) => format!("reasoning {text}"),
        Event::StepFinished { step, summary } => format!("step {step} {}", summary.usage.cost),
        Event::ToolStarted(call) => format!("started {}", call.id()),
        Event::ToolProgress { call_id, progress } => format!("progress {call_id} {progress}"),
        Event::ToolFinished { call, .. } => format!("finished {}", call.id()),
        Event::ToolPending(call) => format!("pending {}", call.id()),
        Event::RunEnded { status, usage } => format!("{status:?} {}", usage.model_calls),
        _ => "other".to_owned(),
    }
}

#[tokio::test]
async fn events_tell_everything_in_order() {
    let first = streamed(
        &[text_item("Let me see."), call_item("c1", "work", "{}"), call_item("c2", "gated", "{}")],
        &["Let me", " see."],
    );
    let (_server, agent) = scripted([first, streamed(&[text_item("Done.")], &["Done."])]).await;
    let work = Tool::with_schema("work", "Works", no_parameters(), async |_: Value, context: ToolContext| {
        context.progress(50);
        tokio::task::yield_now().await;
        context.progress(json!({"percent": 100}));
    });
    let agent = agent.tool(work).tool(echo("gated").needs_approval());
    let mut events = agent.run("Hi").stream();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(name(&event.unwrap()));
    }
    seen.retain(|name| name != "model");
    assert_eq!(
        seen,
        [
            "step 0",
            "text Let me",
            "text  see.",
            "step 0 0.01",
            "started c1",
            "pending c2",
            "progress c1 50",
            "progress c1 {\"percent\":100}",
            "finished c1",
            "Paused 1",
        ]
    );
    let mut run = events.finish().await.unwrap().into_run();
    run.approve("c2").unwrap();
    let texts: Vec<_> = agent.resume(run).stream().text_deltas().map(Result::unwrap).collect().await;
    assert_eq!(texts, ["Done."]);
}

#[tokio::test]
async fn the_text_of_a_server_that_does_not_stream_arrives_too() {
    let (_server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("All at once.")]).await;
    let mut texts = agent.tool(echo("echo")).run("Hi").stream().text_deltas();
    assert_eq!(texts.next().await.unwrap().unwrap(), "All at once.");
    assert!(texts.next().await.is_none());
    assert_eq!(texts.finish().await.unwrap().text(), Ok("All at once."));
}

#[tokio::test]
async fn reasoning_is_shown_as_it_arrives() {
    let events = [
        json!({"type": "response.created", "response": response(&[])}),
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "item_id": "rs",
            "delta": "Hm."}),
        json!({"type": "response.completed", "response": response(&[text_item("Yes.")])}),
    ];
    let (_server, agent) = scripted([Answer::stream(events)]).await;
    let seen: Vec<_> = agent.run("Hi").stream().map(|event| name(&event.unwrap())).collect().await;
    assert!(seen.contains(&"reasoning Hm.".to_owned()) && seen.contains(&"text Yes.".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn an_error_is_the_last_item_and_the_result() {
    let (_server, agent) = scripted([calls(&[("c1", "echo", "{}")]), Answer::error(400, "no")]).await;
    let mut events = agent.tool(echo("echo")).run("Hi").stream();
    let mut errors = Vec::new();
    while let Some(event) = events.next().await {
        errors.extend(event.err());
    }
    assert_eq!(errors.len(), 1);
    assert_eq!(events.finish().await.unwrap_err().run(), errors[0].run());
}

#[tokio::test]
async fn without_a_reader_nothing_goes_on() {
    let (server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("done")]).await;
    let mut events = agent.tool(echo("echo")).run("Hi").stream();
    loop {
        if let Event::StepFinished { .. } = events.next().await.unwrap().unwrap() {
            break;
        }
    }
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.requests().len(), 1);
    assert_eq!(events.finish().await.unwrap().text(), Ok("done"));
}

#[tokio::test]
async fn dropping_a_run_drops_its_tools_and_closes_its_connection() {
    // A tool that runs.
    let (_server, agent) = scripted([calls(&[("c1", "wait", "{}")])]).await;
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let wait = Tool::with_schema("wait", "Waits", no_parameters(), move || {
        let held = Arc::clone(&held);
        async move {
            let _held = held;
            std::future::pending::<()>().await;
        }
    });
    let mut run = Box::pin(agent.tool(wait).run("Hi").into_future());
    crate::support::soon(std::future::poll_fn(|cx| {
        assert!(run.as_mut().poll(cx).is_pending());
        if Arc::strong_count(&alive) == 3 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }))
    .await;
    drop(run);
    assert_eq!(Arc::strong_count(&alive), 1);

    // A model call under way.
    let (server, agent) = scripted([says("never").fault(Fault::Stall, Place::AfterHead)]).await;
    let mut run = Box::pin(agent.run("Hi").into_future());
    crate::support::soon(std::future::poll_fn(|cx| {
        assert!(run.as_mut().poll(cx).is_pending());
        if server.connections().requests == 1 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }))
    .await;
    drop(run);
    crate::support::soon(async {
        while server.connections().closed < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(server.requests().len(), 1);
}

/// Reads events until one has this name.
async fn read_to(events: &mut AgentStream, wanted: &str) {
    loop {
        let event = crate::support::soon(events.next()).await.expect("an event").unwrap();
        if name(&event) == wanted {
            return;
        }
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_during_a_tool_keeps_its_history_and_goes_on() {
    let round = calls(&[("c1", "wait", "{}"), ("c2", "echo", r#"{"n":2}"#), ("c3", "echo", r#"{"n":3}"#)]);
    let (server, agent) = scripted([round, says("done")]).await;
    let wait = Tool::with_schema("wait", "Waits", no_parameters(), async || std::future::pending::<()>().await);
    let agent = agent.tool(wait).tool(echo("echo").max_concurrent(1)).max_concurrent(2);
    let mut events = agent.run("Hi").stream();
    read_to(&mut events, "finished c2").await;
    let Outcome::Stopped(stopped) = events.stop().await.unwrap() else { panic!("it did not end") };
    assert_eq!(*stopped.reason(), StopReason::Requested);
    let run = Run::from(stopped);
    let states: Vec<_> = run.calls().iter().map(|call| (call.id(), call.state())).collect();
    assert_eq!(states[..2], [("c1", CallState::Finished), ("c2", CallState::Finished)]);
    assert_eq!((run.usage().cost.to_string(), run.usage().tool_calls >= 2), ("0.01".to_owned(), true));

    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("done"));
    let outputs = super::outputs(&server);
    assert_eq!(outputs[0].1, "The run was stopped before this call finished; it may have had its effect.");
    assert_eq!((&outputs[1].1, outputs.len()), (&json!(r#"{"n":2}"#), 3));
    super::assert_no_call_dangles(&server);
}

#[tokio::test]
async fn a_run_that_is_stopped_during_a_model_call_takes_the_next_message() {
    let stalls = says("never").fault(Fault::Stall, Place::AfterHead);
    let (server, agent) = scripted([calls(&[("c1", "echo", "{}")]), stalls, says("Ann.")]).await;
    let agent = agent.tool(echo("echo"));
    let mut events = agent.run("I am Ann.").stream();
    read_to(&mut events, "step 1").await;
    crate::support::soon(std::future::poll_fn(|cx| {
        assert!(events.poll_next_unpin(cx).is_pending());
        if server.connections().requests == 2 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }))
    .await;
    let mut run = events.stop().await.unwrap().into_run();
    assert_eq!(
        run.steps().iter().map(|step| step.state).collect::<Vec<_>>(),
        [StepState::Responded, StepState::Failed]
    );
    assert_eq!(run.usage().calls_without_cost, 1);
    run.end_turn("the user stopped it");
    let run = run.with_input("Who am I?").unwrap();
    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("Ann."));
    assert_eq!(super::kinds(&server)[2], ["user", "function_call", "function_call_output", "user"]);
}

#[tokio::test]
async fn a_stream_that_has_not_begun_or_has_ended_gives_its_run_too() {
    let (server, agent) = scripted([says("done")]).await;
    let run = agent.run("Hi");
    let id = run.run().id().to_owned();
    let run = run.stream().stop().await.unwrap().into_run();
    assert_eq!((run.id(), run.items().len(), server.requests().len()), (&*id, 1, 0));

    let mut texts = agent.resume(run).stream().text_deltas();
    while texts.next().await.is_some() {}
    assert_eq!(texts.stop().await.unwrap().text(), Ok("done"));
}

#[tokio::test]
async fn events_of_a_subagent_are_events_of_the_run_above() {
    let answers = || {
        [
            calls(&[("c1", "research", r#"{"input":"Look it up"}"#)]),
            calls(&[("s1", "echo", "{}")]),
            says("found"),
            says("done"),
        ]
    };
    // In the run itself, and in a task that the stream does not poll.
    for is_spawned in [false, true] {
        let (_server, agent) = scripted(answers()).await;
        let inner = agent.clone().tool(echo("echo"));
        let research =
            Tool::with_schema("research", "Looks", no_parameters(), move |_: Value, context: ToolContext| {
                let run = inner.run("Look it up").within(&context);
                async move {
                    let outcome = if is_spawned { tokio::spawn(run.into_future()).await? } else { run.await };
                    Ok::<_, ToolError>(outcome?.text()?.to_owned())
                }
            });
        let mut events = agent.tool(research).run("Hi").stream();
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            if let Event::Subagent { call_id, event } = event.unwrap() {
                seen.push(format!("{call_id}: {}", name(&event)));
            }
        }
        seen.retain(|name| !name.ends_with("model"));
        let expected =
            ["step 0", "step 0 0.01", "started s1", "finished s1", "step 1", "text found", "step 1 0.01", "Done 2"];
        assert_eq!(seen, expected.map(|name| format!("c1: {name}")));
        assert_eq!(events.finish().await.unwrap().usage().model_calls, 4);
    }
}
