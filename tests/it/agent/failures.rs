//! Situations in which other agent layers fail silently, overspend, or leak.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use openrouter_kit::agent::*;
use openrouter_kit::hooks::HookFuture;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{InputItem, ResponsesRequest};
use serde_json::{Value, json};

use super::{
    assert_no_call_dangles, call_item, calls, echo, kinds, no_parameters, outputs, response, says, scripted, text_item,
};

use crate::a_limit::tokio;

fn tool<Form>(name: &str, handler: impl Handler<Form>) -> Tool {
    Tool::with_schema(name, "A tool", no_parameters(), handler)
}

#[tokio::test]
async fn a_tool_that_returns_nothing_has_an_output() {
    let (server, agent) = scripted([calls(&[("c1", "note", "{}")]), says("noted")]).await;
    let outcome = agent.tool(tool("note", async || {})).run("Hi").await.unwrap();
    assert_eq!(outcome.text(), Ok("noted"));
    assert_eq!(outputs(&server), [("c1".to_owned(), json!("ok"))]);
}

#[tokio::test]
async fn the_model_is_informed_of_a_tool_that_does_not_exist() {
    let (server, agent) = scripted([calls(&[("c1", "nope", "{}"), ("c2", "echo", "{}")]), says("sorry")]).await;
    let outcome = agent.tool(echo("echo")).run("Hi").await.unwrap();
    assert_eq!(outcome.text(), Ok("sorry"));
    let expected = "There is no tool \"nope\". The tools are: echo.";
    assert_eq!(outputs(&server), [("c1".to_owned(), json!(expected)), ("c2".to_owned(), json!("{}"))]);
}

#[tokio::test]
async fn an_unknown_tool_fails_the_run_where_the_program_wants_it() {
    let (_server, agent) = scripted([calls(&[("c1", "nope", "{}")])]).await;
    let error = agent.unknown_tool(UnknownTool::Fail).run("Hi").await.unwrap_err();
    assert!(matches!(error.kind(), AgentErrorKind::UnknownTool(name) if name == "nope"), "{error:?}");
}

#[tokio::test]
async fn calls_of_unknown_tools_round_after_round_stop_the_run() {
    let again = |n: usize| calls(&[("c", "nope", &format!("{{\"n\":{n}}}"))]);
    let (server, agent) = scripted((0..10).map(again)).await;
    let outcome = agent.run("Hi").await.unwrap();
    let Outcome::Stopped(stopped) = outcome else { panic!("{outcome:?}") };
    assert_eq!(*stopped.reason(), StopReason::ToolFailures("nope".to_owned()));
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_streamed_conversation_without_tools_keeps_its_history() {
    let (server, agent) = scripted([says("Hello, Ann."), says("Ann.")]).await;
    let mut texts = agent.run("I am Ann.").stream().text_deltas();
    while let Some(text) = texts.next().await {
        text.unwrap();
    }
    let run = texts.finish().await.unwrap().into_run();
    let outcome = agent.resume(run.with_input("Who am I?").unwrap()).await.unwrap();
    assert_eq!(outcome.text(), Ok("Ann."));
    assert_eq!(kinds(&server)[1], ["user", "message", "user"]);
}

#[tokio::test]
async fn a_budget_is_passed_by_at_most_the_call_that_reaches_it() {
    for (on_limit, requests) in [(OnLimit::FinalAnswer, 2), (OnLimit::Stop, 2), (OnLimit::Error, 2)] {
        let (server, agent) = scripted((0..9).map(|n| calls(&[("c", "echo", &format!("[{n}]"))]))).await;
        let limits = Limits::new().cost("0.015".parse().unwrap()).on_limit(on_limit);
        let run = match agent.tool(echo("echo")).limits(limits).run("Hi").await {
            Ok(outcome) => outcome.into_run(),
            Err(error) => error.into_run(),
        };
        assert_eq!(server.requests().len(), requests, "{on_limit:?}");
        assert_eq!(run.usage().cost.to_string(), "0.02");
        assert_eq!(*run.status(), RunStatus::Stopped(StopReason::Limit(Limit::Cost)));
        assert_no_call_dangles(&server);
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_in_a_tool_sends_no_further_request() {
    let (server, agent) = scripted([calls(&[("c1", "stop", "{}")]), says("never")]).await;
    let stop = StopHandle::default();
    let stop_tool = tool("stop", {
        let stop = stop.clone();
        move || {
            stop.stop();
            async {}
        }
    });
    let agent = agent.tool(stop_tool);
    let outcome = agent.run("Hi").stop_handle(&stop).await.unwrap();
    let Outcome::Stopped(stopped) = outcome else { panic!("{outcome:?}") };
    assert_eq!(*stopped.reason(), StopReason::Requested);
    assert_eq!(server.requests().len(), 1);
    // It goes on from there.
    assert_eq!(agent.resume(stopped).await.unwrap().text(), Ok("never"));
    assert_eq!(kinds(&server)[1], ["user", "function_call", "function_call_output"]);
}

#[tokio::test]
async fn nothing_is_sent_after_the_events_of_a_run_were_dropped() {
    let (server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("never")]).await;
    let mut events = agent.tool(echo("echo")).run("Hi").stream();
    while let Some(event) = events.next().await {
        if matches!(event.unwrap(), Event::ToolStarted(_)) {
            break;
        }
    }
    drop(events);
    crate::support::soon(async {
        while server.connections().closed < server.connections().opened {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_an_error_that_can_be_resumed() {
    let created = json!({"type": "response.created", "response": response(&[])});
    let cut = Answer::events([created.clone()]);
    let error_event = Answer::stream([created, json!({"type": "error", "code": "500", "message": "broken"})]);
    for broken in [cut, error_event] {
        let (server, agent) = scripted([calls(&[("c1", "echo", "{}")]), broken, says("done")]).await;
        let agent = agent.tool(echo("echo"));
        let error = agent.run("Hi").await.unwrap_err();
        assert!(matches!(error.kind(), AgentErrorKind::Model(_)), "{error:?}");
        let usage = error.run().usage();
        assert_eq!((usage.model_calls, usage.cost.to_string().as_str()), (2, "0.02"));
        let outcome = agent.resume(error.into_run()).await.unwrap();
        assert_eq!(outcome.text(), Ok("done"));
        assert_eq!(kinds(&server)[2], ["user", "function_call", "function_call_output"]);
    }
}

#[derive(serde::Deserialize)]
struct Path {
    path: String,
}

#[tokio::test]
async fn approval_is_asked_only_for_arguments_that_fit() {
    let (server, agent) = scripted([calls(&[("c1", "delete", r#"{"path": 42}"#)]), says("sorry")]).await;
    let delete =
        tool("delete", async |path: Path| path.path).needs_approval_if(|path: &Path| path.path.starts_with('/'));
    let outcome = agent.tool(delete).run("Hi").await.unwrap();
    assert_eq!(outcome.text(), Ok("sorry"));
    let received = outputs(&server)[0].1.as_str().unwrap().to_owned();
    assert!(received.contains("`path`") && received.contains("expected a string"), "{received}");
}

#[tokio::test]
async fn a_gate_that_panics_asks() {
    let (_server, agent) = scripted([calls(&[("c1", "delete", r#"{"path": "/"}"#)])]).await;
    let delete = tool("delete", async |path: Path| path.path).needs_approval_if(|_: &Path| panic!("a broken gate"));
    let outcome = agent.tool(delete).run("Hi").await.unwrap();
    assert!(matches!(outcome, Outcome::Paused(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_message_is_refused_while_a_call_waits_for_approval() {
    let (server, agent) = scripted([calls(&[("c1", "delete", r#"{"path": "/"}"#)]), says("done")]).await;
    let agent = agent.tool(tool("delete", async |path: Path| path.path).needs_approval());
    let mut run = agent.run("Hi").await.unwrap().into_run();
    assert_eq!(run.add_input("Well?"), Err(RunError::CallsPending { id: "c1".to_owned() }));
    run.reject("c1", "too dangerous").unwrap();
    run.add_input("Well?").unwrap();
    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("done"));
    assert_eq!(kinds(&server)[1], ["user", "function_call", "function_call_output", "user"]);
    assert_eq!(outputs(&server)[0].1, "The call was rejected: too dangerous");
}

#[tokio::test]
async fn a_stop_from_elsewhere_is_not_lost_while_the_run_is_saved() {
    let (server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("never")]).await;
    let stop = StopHandle::default();
    let other = stop.clone();
    let agent = agent.tool(echo("echo")).checkpoint(move |run: &Run| {
        if !run.calls().is_empty() {
            other.stop();
        }
        async { Ok::<_, std::io::Error>(()) }
    });
    let outcome = agent.run("Hi").stop_handle(&stop).await.unwrap();
    assert!(matches!(&outcome, Outcome::Stopped(stopped) if *stopped.reason() == StopReason::Requested), "{outcome:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_text_of_a_run_is_in_its_outcome_whenever_it_is_read() {
    let (_server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("done")]).await;
    let outcome = agent.tool(echo("echo")).run("Hi").stream().finish().await.unwrap();
    assert_eq!(outcome.text(), Ok("done"));
}

#[tokio::test]
async fn what_is_set_for_a_step_holds_for_that_step_alone() {
    let again = (0..3).map(|n| calls(&[("c", "echo", &format!("[{n}]"))]));
    let (server, agent) = scripted(again.chain([says("done")])).await;
    let agent = agent.tool(echo("echo")).request(|request| request.temperature(0.1)).prepare_step(|run, request| {
        if run.steps().len() == 1 {
            request.temperature = Some(0.9);
        }
    });
    agent.run("Hi").await.unwrap().text().unwrap();
    let temperatures: Vec<_> = server.requests().iter().map(|request| request.json()["temperature"].as_f64()).collect();
    assert_eq!(temperatures, [Some(0.1), Some(0.9), Some(0.1), Some(0.1)]);
}

#[tokio::test]
async fn an_approved_call_runs_as_any_other() {
    let (server, agent) = scripted([calls(&[("c1", "slow", "{}"), ("c2", "map", "{}")]), says("done")]).await;
    let dropped = Arc::new(());
    let held = Arc::clone(&dropped);
    let slow = tool("slow", move || {
        let held = Arc::clone(&held);
        async move {
            let _held = held;
            std::future::pending::<()>().await;
        }
    });
    let map =
        tool("map", async || ToolOutput::text("A map").with(ToolOutput::image_url("https://example.com/map.png")));
    let agent = agent.tool(slow.needs_approval().timeout(Duration::from_millis(20))).tool(map.needs_approval());
    let mut run = agent.run("Hi").await.unwrap().into_run();
    run.approve("c1").unwrap();
    run.approve("c2").unwrap();
    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("done"));
    let outputs = outputs(&server);
    assert_eq!(outputs[0].1, "The tool did not finish within 20ms.");
    assert_eq!(outputs[1].1[1]["type"], "input_image");
    drop(agent);
    assert_eq!(Arc::strong_count(&dropped), 1, "a handler goes on after its timeout");
}

#[tokio::test]
async fn the_message_of_an_error_is_not_sent_to_the_model() {
    let (server, agent) = scripted([calls(&[("c1", "read", "{}"), ("c2", "open", "{}")]), says("sorry")]).await;
    let read = tool("read", async || Err::<(), _>(std::io::Error::other("secret db password")));
    let open = tool("open", async || Err::<(), _>(ToolError::new("secret").tell_model("The file is locked.")));
    let mut events = agent.tool(read).tool(open).run("Hi").stream();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        if let Event::ToolFinished { error: Some(error), .. } = event.unwrap() {
            seen.push(error.to_string());
        }
    }
    assert_eq!(seen, ["secret db password", "secret"]);
    let received: Vec<Value> = outputs(&server).into_iter().map(|(_, output)| output).collect();
    assert_eq!(received, ["The tool failed.", "The file is locked."]);
}

#[derive(Debug)]
struct BrokenGuard;

impl RunHook for BrokenGuard {
    fn before_tool<'a>(&'a self, _: &'a Run, _: &'a mut ToolCall) -> HookFuture<'a, ToolDecision> {
        Box::pin(async { Err(openrouter_kit::errors::HookError::new("the guard is broken")) })
    }
}

#[tokio::test]
async fn a_guard_that_fails_refuses() {
    let (server, agent) = scripted([calls(&[("c1", "count", "{}")]), says("sorry")]).await;
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ran);
    let count = tool("count", move || {
        counter.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    agent.tool(count).hook(BrokenGuard).run("Hi").await.unwrap().text().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    assert_eq!(outputs(&server)[0].1, "The call was refused.");
}

#[tokio::test]
async fn a_response_that_is_cut_off_by_its_length_is_not_a_final_text() {
    for (status, details, reason) in [
        ("incomplete", json!({"reason": "max_output_tokens"}), "max_output_tokens"),
        ("incomplete", json!({"reason": "content_filter"}), "content_filter"),
        ("incomplete", Value::Null, "incomplete"),
        ("cancelled", Value::Null, "cancelled"),
        ("in_progress", Value::Null, "in_progress"),
    ] {
        let mut cut = response(&[text_item("Once upon a"), call_item("c1", "echo", "{\"a")]);
        cut["status"] = status.into();
        cut["incomplete_details"] = details;
        let (server, agent) = scripted([Answer::json(200, cut), says("... time.")]).await;
        let agent = agent.tool(echo("echo"));
        let outcome = agent.run("Tell a story.").await.unwrap();
        let Outcome::Stopped(stopped) = outcome else { panic!("{outcome:?}") };
        assert_eq!(*stopped.reason(), StopReason::CutOff(reason.to_owned()));
        assert_eq!(agent.resume(stopped).await.unwrap().text(), Ok("... time."));
        assert_no_call_dangles(&server);
    }
}

#[tokio::test]
async fn a_call_without_an_output_in_the_history_is_refused_before_it_is_sent() {
    let server = MockServer::start().await;
    let history: Vec<InputItem> = serde_json::from_value(json!([call_item("c1", "echo", "{}")])).unwrap();
    let request = ResponsesRequest::new().model("a/b").input(history);
    let error = server.client().call_model(request, [echo("echo")]).await.unwrap_err();
    let expected = RunError::DanglingCall { kind: "function_call", id: "c1".to_owned() };
    assert!(matches!(error.kind(), AgentErrorKind::Run(error) if *error == expected), "{error:?}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn the_table_of_failures_names_every_test_here_and_only_tests() {
    let read = |file: &str| std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let tests = |file: &str| -> BTreeSet<String> {
        let text = read(file);
        let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
        let lines = text.lines().zip(text.lines().skip(1)).filter(|(line, _)| is_test(line));
        let names = lines.filter_map(|(_, function)| function.trim_start_matches("async ").strip_prefix("fn "));
        let names = names.filter_map(|name| name.split('(').next()).filter(|name| !name.starts_with("the_table_of_"));
        names.map(str::to_owned).collect()
    };
    let page = read("docs/agents.md");
    let (_, table) = page.split_once("| Situation |").unwrap();
    let cells = table.lines().filter_map(|row| row.strip_prefix("| ")?.strip_suffix(" |")?.rsplit(" | ").next());
    let named: BTreeSet<String> =
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();

    let here = tests("tests/it/agent/failures.rs");
    let elsewhere = &tests("tests/it/history.rs") | &tests("tests/it/stores.rs");
    assert_eq!(here.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(named.difference(&(&here | &elsewhere)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(here.len() > 15, "{here:?}");
}
