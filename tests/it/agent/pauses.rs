//! Runs that wait for decisions, and go on elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use openrouter_kit::agent::*;
use serde_json::{Value, json};

use super::{assert_no_call_dangles, calls, echo, no_parameters, outputs, says, scripted};

use crate::a_limit::tokio;

/// The run as another process would read it.
pub(super) fn through_json(run: impl Into<Run>) -> Run {
    let run = run.into();
    let text = serde_json::to_string(&run).unwrap();
    let read: Run = serde_json::from_str(&text).unwrap();
    assert_eq!(read, run);
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    read
}

/// A tool that counts its calls and returns its arguments.
pub(super) fn counted(name: &str) -> (Tool, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let tool = Tool::with_schema(name, "Counts", no_parameters(), move |arguments: Value| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move { arguments }
    });
    (tool, count)
}

#[tokio::test]
async fn every_kind_of_pause_goes_through_one_json() {
    let round = [
        ("c1", "free", "{}"),
        ("c2", "gated", r#"{"n":1}"#),
        ("c3", "ask", "{}"),
        ("c4", "outside", r#"{"q":"x"}"#),
        ("c5", "gated", r#"{"n":2}"#),
    ];
    let (server, agent) = scripted([calls(&round), says("done")]).await;
    let (free, free_count) = counted("free");
    let (gated, gated_count) = counted("gated");
    let ask = Tool::with_schema("ask", "Asks", no_parameters(), async || ToolOutput::question("Which account?"));
    let outside = Tool::external("outside", "Runs elsewhere", no_parameters());
    let agent = agent.tools([free, gated.needs_approval(), ask, outside]);

    let outcome = agent.run("Hi").await.unwrap();
    let Outcome::Paused(paused) = outcome else { panic!("{outcome:?}") };
    let pending: Vec<_> = paused.pending().map(|call| (call.id(), call.state(), call.question())).collect();
    assert_eq!(
        pending,
        [
            ("c2", CallState::NeedsApproval, None),
            ("c3", CallState::NeedsAnswer, Some("Which account?")),
            ("c4", CallState::External, None),
            ("c5", CallState::NeedsApproval, None),
        ]
    );
    assert_eq!((free_count.load(Ordering::Relaxed), gated_count.load(Ordering::Relaxed)), (1, 0));

    // Some of them first: the run pauses again, without a request.
    let mut run = through_json(paused);
    assert_eq!(run.approve("c3"), Err(RunError::NeedsAnswer { id: "c3".to_owned() }));
    assert_eq!(run.approve("c9"), Err(RunError::UnknownCall { id: "c9".to_owned() }));
    run.approve_with("c2", json!({"n": 10})).unwrap();
    assert!(matches!(run.approve("c2"), Err(RunError::NotPending { .. })));
    let outcome = agent.resume(through_json(run)).await.unwrap();
    assert_eq!(server.requests().len(), 1);
    let mut run = through_json(outcome);
    assert_eq!(run.pending().count(), 3);
    run.answer("c3", "the second").unwrap();
    run.answer("c4", ToolOutput::json(json!({"found": true}))).unwrap();
    run.reject("c5", "not today").unwrap();
    assert_eq!(agent.resume(through_json(run)).await.unwrap().text(), Ok("done"));
    let outputs = outputs(&server);
    let texts: Vec<_> = outputs.iter().map(|(_, output)| output.as_str().unwrap()).collect();
    assert_eq!(texts, ["{}", r#"{"n":10}"#, "the second", r#"{"found":true}"#, "The call was rejected: not today"]);
    assert_eq!((free_count.load(Ordering::Relaxed), gated_count.load(Ordering::Relaxed)), (1, 1));
    assert_no_call_dangles(&server);
}

#[tokio::test]
async fn replaced_arguments_are_read_like_those_of_the_model() {
    #[derive(serde::Deserialize)]
    struct Transfer {
        euros: u64,
    }
    let (server, agent) = scripted([calls(&[("c1", "transfer", r#"{"euros":500}"#)]), says("done")]).await;
    let transfer = Tool::with_schema("transfer", "Sends", no_parameters(), async |transfer: Transfer| {
        format!("sent {}", transfer.euros)
    });
    let agent = agent.tool(transfer.needs_approval_if(|transfer: &Transfer| transfer.euros > 100));
    let mut run = agent.run("Hi").await.unwrap().into_run();
    run.approve_with("c1", json!({"euros": "many"})).unwrap();
    agent.resume(run).await.unwrap().text().unwrap();
    let received = outputs(&server)[0].1.as_str().unwrap().to_owned();
    assert!(received.contains("`euros`"), "{received}");
}

#[tokio::test]
async fn a_call_that_had_begun_when_the_program_ended_is_asked_about() {
    let (server, agent) = scripted([calls(&[("c1", "pay", "{}"), ("c2", "read", "{}")]), says("done")]).await;
    let (pay, pay_count) = counted("pay");
    let (read, read_count) = counted("read");
    let agent = agent.tool(pay).tool(read.repeatable());
    // The program ends when the calls have been noted and saved, and before anything else is.
    let saved = Arc::new(Mutex::new(None));
    let saver = Arc::clone(&saved);
    let dying = agent.clone().checkpoint(move |run: &Run| {
        let has_begun = run.calls().iter().any(|call| call.state() == CallState::Started);
        let mut saved = saver.lock().unwrap();
        if has_begun && saved.is_none() {
            *saved = Some(serde_json::to_string(run).unwrap());
        }
        let ends = saved.is_some();
        async move { if ends { Err(std::io::Error::other("the program ended")) } else { Ok(()) } }
    });
    let error = dying.run("Hi").await.unwrap_err();
    assert!(matches!(error.kind(), AgentErrorKind::Checkpoint(_)), "{error:?}");
    assert_eq!((pay_count.load(Ordering::Relaxed), read_count.load(Ordering::Relaxed)), (0, 0));

    let run: Run = serde_json::from_str(saved.lock().unwrap().as_ref().unwrap()).unwrap();
    let outcome = agent.resume(run).await.unwrap();
    let Outcome::Paused(paused) = outcome else { panic!("{outcome:?}") };
    let pending: Vec<_> = paused.pending().map(|call| (call.id(), call.state())).collect();
    assert_eq!(pending, [("c1", CallState::Interrupted)]);
    assert_eq!((pay_count.load(Ordering::Relaxed), read_count.load(Ordering::Relaxed)), (0, 1));

    for decide in [
        (|run: &mut Run| run.approve("c1")) as fn(&mut Run) -> Result<(), RunError>,
        |run| run.answer("c1", "paid before"),
        |run| run.reject("c1", "it is not known whether it was paid"),
    ] {
        let mut run = paused.run().clone();
        decide(&mut run).unwrap();
        assert!(run.pending().next().is_none());
    }
    let mut run = Run::from(paused);
    run.answer("c1", "paid before").unwrap();
    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("done"));
    assert_eq!(pay_count.load(Ordering::Relaxed), 0);
    assert_eq!(outputs(&server)[0].1, "paid before");
}

#[tokio::test]
async fn a_run_is_saved_before_anything_happens_that_it_must_know_of() {
    let (server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("done")]).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Arc::new(server);
    let requests = Arc::clone(&server);
    let agent = agent.tool(echo("echo")).checkpoint(move |run: &Run| {
        let last = run.steps().last().map(|step| step.state.as_str());
        let call = run.calls().first().map(|call| call.state().as_str());
        log.lock().unwrap().push((requests.requests().len(), last, call));
        async { Ok::<_, std::io::Error>(()) }
    });
    agent.run("Hi").await.unwrap().text().unwrap();
    let calling = Some("calling");
    let responded = Some("responded");
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (0, calling, None),
            (1, responded, Some("requested")),
            (1, responded, Some("started")),
            (1, responded, Some("finished")),
            (1, calling, None),
            (2, responded, None),
            (2, responded, None),
        ]
    );
}

#[tokio::test]
async fn a_program_that_ended_during_a_model_call_makes_it_again() {
    let (_server, agent) = scripted([says("done")]).await;
    let mut run = Run::new("Hi");
    run.next_step(&Limits::new());
    run.begin_model_call();
    let outcome = agent.resume(through_json(run)).await.unwrap();
    assert_eq!(outcome.text(), Ok("done"));
    // The first may have been charged for.
    assert_eq!((outcome.usage().model_calls, outcome.usage().calls_without_cost), (2, 1));
}

#[tokio::test]
async fn a_finished_run_gives_its_outcome_again_without_a_request() {
    let (server, agent) = scripted([says("done")]).await;
    let run = through_json(agent.run("Hi").await.unwrap());
    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("done"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_run_that_is_not_understood_whole_is_not_read() {
    let (_server, agent) = scripted([calls(&[("c1", "x", "{}")])]).await;
    let run = agent.tool(echo("x").needs_approval()).run("Hi").await.unwrap().into_run();
    let json = serde_json::to_value(&run).unwrap();
    let broken = |change: fn(&mut Value)| {
        let mut json = json.clone();
        change(&mut json);
        serde_json::from_value::<Run>(json).unwrap_err().to_string()
    };
    let newer = broken(|json| json["version"] = 2.into());
    assert!(newer.contains("format version 2") && newer.contains("reads only 1"), "{newer}");
    let unknown = broken(|json| json["calls"][0]["new_field"] = true.into());
    assert!(unknown.contains("`new_field`, which this version does not know"), "{unknown}");
    let missing = broken(|json| drop(json["steps"][0].as_object_mut().unwrap().remove("usage")));
    assert!(missing.contains("`usage` is missing"), "{missing}");
    let state = broken(|json| json["calls"][0]["state"] = "sleeping".into());
    assert!(state.contains("\"sleeping\""), "{state}");
    let status = broken(|json| json["status"] = json!({"stopped": {"boredom": ""}}));
    assert!(status.contains("boredom"), "{status}");
}

#[test]
fn calls_that_a_stopped_run_left_to_do_can_be_rejected() {
    let calls: Vec<Value> = ["c1", "c2", "c3"].map(|id| super::call_item(id, "echo", "{}")).into();
    let mut run = Run::new("Hi");
    run.begin_model_call();
    run.finish_model_call(serde_json::from_value(super::response(&calls)).unwrap());
    run.begin_tool_call("c1").unwrap();
    assert!(matches!(run.reject("c1", "no"), Err(RunError::NotPending { state: CallState::Started, .. })));
    run.finish_tool_call("c1", "done").unwrap();
    assert!(matches!(run.reject("c1", "no"), Err(RunError::NotPending { state: CallState::Finished, .. })));
    run.stop(StopReason::Requested);
    for id in ["c2", "c3"] {
        assert_eq!(run.add_input("Something else."), Err(RunError::CallsPending { id: id.to_owned() }));
        run.reject(id, "the user wants something else").unwrap();
    }
    run.add_input("Something else.").unwrap();
    assert_eq!(run.next_step(&Limits::new()), NextStep::CallModel { is_final: false });
    assert_eq!(run.items().len(), 8);
}

#[tokio::test]
async fn pending_calls_are_decided_where_they_are_listed() {
    let round =
        [("c1", "pay", r#"{"n":1}"#), ("c2", "pay", r#"{"n":2}"#), ("c3", "pay", r#"{"n":3}"#), ("c4", "ask", "{}")];
    let (server, agent) = scripted([calls(&round), says("done")]).await;
    let agent = agent.tool(echo("pay").needs_approval()).tool(Tool::external("ask", "Asks", no_parameters()));
    let Outcome::Paused(mut paused) = agent.run("Hi").await.unwrap() else { panic!("it has to ask") };
    for call in paused.pending_mut() {
        match call.id() {
            "c1" => call.approve().unwrap(),
            "c2" => call.approve_with(json!({"n": 20})).unwrap(),
            "c3" => call.reject("too much"),
            _ => call.answer("yes"),
        }
    }
    assert_eq!(paused.pending_mut().count(), 0);
    assert_eq!(agent.resume(paused).await.unwrap().text(), Ok("done"));
    let received: Vec<Value> = outputs(&server).into_iter().map(|(_, output)| output).collect();
    assert_eq!(received, [r#"{"n":1}"#, r#"{"n":20}"#, "The call was rejected: too much", "yes"]);
}

#[tokio::test]
async fn a_call_that_waits_for_an_answer_cannot_be_approved_where_it_is_listed() {
    let (_server, agent) = scripted([calls(&[("c1", "ask", "{}")])]).await;
    let agent = agent.tool(Tool::external("ask", "Asks", no_parameters()));
    let mut run = agent.run("Hi").await.unwrap().into_run();
    for mut call in run.pending_mut() {
        assert!(call.subagent_mut().is_none());
        assert_eq!(call.approve(), Err(RunError::NeedsAnswer { id: "c1".to_owned() }));
    }
    assert_eq!(run.pending().count(), 1);
}

#[tokio::test]
async fn the_end_of_a_turn_settles_whatever_is_open() {
    let round = [("c1", "echo", r#"{"n":1}"#), ("c2", "pay", "{}"), ("c3", "ask", "{}"), ("c4", "echo", r#"{"n":4}"#)];
    let (server, agent) = scripted([calls(&round), says("Hello.")]).await;
    let agent = agent.tool(echo("echo")).tool(echo("pay").needs_approval());
    let agent = agent.tool(Tool::external("ask", "Asks", no_parameters()));
    let mut run = agent.run("Hi").await.unwrap().into_run();
    assert_eq!(*run.status(), RunStatus::Paused);
    run.end_turn("the user changed the subject");
    assert_eq!((run.status(), run.calls().len()), (&RunStatus::Stopped(StopReason::Requested), 0));
    // A second time changes nothing.
    let before = run.clone();
    run.end_turn("again");
    assert_eq!(run, before);
    assert_eq!(agent.resume(run.with_input("Hello?").unwrap()).await.unwrap().text(), Ok("Hello."));
    let rejected = "The call was rejected: the user changed the subject";
    let received: Vec<Value> = outputs(&server).into_iter().map(|(_, output)| output).collect();
    assert_eq!(received, [r#"{"n":1}"#, rejected, rejected, r#"{"n":4}"#]);

    // A call that a process left behind, and a run that is done.
    let response = super::response(&[super::call_item("c1", "pay", "{}")]);
    let mut run = Run::new("Hi");
    run.begin_model_call();
    run.finish_model_call(serde_json::from_value(response).unwrap());
    run.begin_tool_call("c1").unwrap();
    run.end_turn("the server was restarted");
    let output = serde_json::to_value(run.items().last().unwrap()).unwrap()["output"].clone();
    assert_eq!(output, "The call was interrupted and may have had its effect: the server was restarted");
    let (_server, agent) = scripted([says("done")]).await;
    let mut done = agent.run("Hi").await.unwrap().into_run();
    done.end_turn("no reason");
    assert_eq!((done.status(), done.text()), (&RunStatus::Done, Some("done")));
}
