//! Agents that are tools of other agents: their pauses, and how they stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use openrouter_kit::agent::store::RunState;
use openrouter_kit::agent::*;
use openrouter_kit::mock::MockServer;
use serde_json::{Value, json};

use super::pauses::{counted, through_json};
use super::{assert_no_call_dangles, calls, no_parameters, outputs, says, scripted};

use crate::a_limit::tokio;

fn research(agent: &Agent) -> Tool {
    Tool::from_agent("research", "Looks things up", agent.clone())
}

const ASKED: (&str, &str, &str) = ("c1", "research", r#"{"input":"Look it up"}"#);

/// The requests that have arrived for the model of the subagent.
fn inner_requests(server: &MockServer) -> usize {
    server.requests().iter().filter(|request| request.json()["model"].as_str() == Some("c/d")).count()
}

#[tokio::test]
async fn a_call_of_a_subagent_is_approved_in_the_run_above_in_another_process() {
    // The ids of the subagent are those of the run above, too.
    let inner_round = calls(&[("c1", "pay", r#"{"n":1}"#), ("c2", "pay", r#"{"n":2}"#)]);
    let outer_round = calls(&[ASKED, ("c2", "free", "{}")]);
    let (server, agent) = scripted([outer_round, inner_round, says("found"), says("done")]).await;
    let (pay, paid) = counted("pay");
    let (free, freed) = counted("free");
    let inner = agent.clone().model("c/d").tool(pay.needs_approval());
    let agent = agent.tools([research(&inner), free]).limits(Limits::new().tool_calls(3));

    let outcome = agent.run("Hi").await.unwrap();
    let Outcome::Paused(paused) = outcome else { panic!("{outcome:?}") };
    let [call] = paused.pending().collect::<Vec<_>>()[..] else { panic!("{paused:?}") };
    assert_eq!((call.id(), call.state()), ("c1", CallState::Subagent));
    let pending: Vec<_> = call.subagent().unwrap().pending().map(|call| (call.id(), call.state())).collect();
    assert_eq!(pending, [("c1", CallState::NeedsApproval), ("c2", CallState::NeedsApproval)]);
    assert_eq!(RunState::of(paused.run()), RunState::Waiting);

    let mut run = through_json(paused);
    assert_eq!(run.approve("c1"), Err(RunError::SubagentPending { id: "c1".to_owned() }));
    assert!(matches!(run.subagent_mut("c2"), Err(RunError::NotPending { state: CallState::Finished, .. })));
    run.subagent_mut("c1").unwrap().approve_with("c1", json!({"n": 7})).unwrap();
    // One is not decided: nothing happens.
    let sent = server.requests().len();
    let outcome = agent.resume(through_json(run)).await.unwrap();
    assert_eq!((server.requests().len(), paid.load(Ordering::Relaxed)), (sent, 0));
    let mut run = through_json(outcome);
    run.subagent_mut("c1").unwrap().reject("c2", "not today").unwrap();
    assert_eq!(RunState::of(&run), RunState::Ready);
    assert!(run.pending().next().is_none());
    let outcome = agent.resume(through_json(run)).await.unwrap();

    assert_eq!(outcome.text(), Ok("done"));
    assert_eq!((paid.load(Ordering::Relaxed), freed.load(Ordering::Relaxed)), (1, 1));
    let inner = server.requests()[2].json().to_value();
    let answers: Vec<_> = inner["input"].as_array().unwrap().iter().map(|item| item["output"].clone()).collect();
    assert_eq!(answers[answers.len() - 2..], [json!(r#"{"n":7}"#), json!("The call was rejected: not today")]);
    let texts: Vec<_> = outputs(&server).into_iter().map(|(_, output)| output).collect();
    assert_eq!(texts, [json!("found"), json!("{}")]);
    // A call that goes on is not a further call.
    assert_eq!((outcome.usage().model_calls, outcome.usage().tool_calls), (4, 3));
    assert_no_call_dangles(&server);
}

#[tokio::test]
async fn the_pause_of_a_subagent_of_a_subagent_reaches_the_outermost_run() {
    let deeper = calls(&[("c1", "middle", r#"{"input":"Ask"}"#)]);
    let asks = [calls(&[ASKED]), deeper, calls(&[("q", "ask", "{}")])];
    let (_server, agent) = scripted(asks.into_iter().chain([says("inner"), says("middle"), says("done")])).await;
    let ask = Tool::with_schema("ask", "Asks", no_parameters(), async || ToolOutput::question("Which one?"));
    let inner = agent.clone().tool(ask);
    let middle = agent.clone().tool(Tool::from_agent("middle", "Asks", inner));
    let agent = agent.tool(research(&middle));

    let mut run = through_json(agent.run("Hi").await.unwrap());
    let innermost = run.subagent_mut("c1").unwrap().subagent_mut("c1").unwrap();
    assert_eq!(innermost.pending().next().unwrap().question(), Some("Which one?"));
    innermost.answer("q", "the second").unwrap();
    let outcome = agent.resume(through_json(run)).await.unwrap();
    assert_eq!(outcome.text(), Ok("done"));
    assert_eq!((outcome.usage().model_calls, outcome.usage().tool_calls), (6, 3));
    assert!(outcome.run().calls().is_empty());
}

#[tokio::test]
async fn a_paused_subagent_can_be_abandoned_or_answered_for() {
    for is_rejected in [true, false] {
        let (server, agent) = scripted([calls(&[ASKED]), calls(&[("p", "pay", "{}")]), says("done")]).await;
        let (pay, paid) = counted("pay");
        let inner = agent.clone().tool(pay.needs_approval());
        let agent = agent.tool(research(&inner));
        let mut run = through_json(agent.run("Hi").await.unwrap());
        let expected = match is_rejected {
            true => run.reject("c1", "too slow").map(|()| "The call was rejected: too slow"),
            false => run.answer("c1", "42").map(|()| "42"),
        };
        assert!(run.calls()[0].subagent().is_none());
        assert_eq!(agent.resume(through_json(run)).await.unwrap().text(), Ok("done"));
        assert_eq!((outputs(&server)[0].1.as_str(), paid.load(Ordering::Relaxed)), (expected.ok(), 0));
    }
}

#[tokio::test]
async fn a_stop_reaches_subagents_after_their_step_and_both_go_on_later() {
    let rounds = [calls(&[ASKED]), calls(&[("s", "stop", "{}")]), says("found"), says("done")];
    let (server, agent) = scripted(rounds).await;
    let (stop, runs) = (StopHandle::new(), Arc::new(AtomicUsize::new(0)));
    let (handle, count) = (stop.clone(), Arc::clone(&runs));
    let stop_tool = Tool::with_schema("stop", "Stops", no_parameters(), move || {
        handle.stop();
        count.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    let inner = agent.clone().model("c/d").tool(stop_tool);
    let agent = agent.tool(research(&inner));

    let outcome = agent.run("Hi").stop_handle(&stop).await.unwrap();
    let Outcome::Stopped(stopped) = outcome else { panic!("{outcome:?}") };
    assert_eq!(*stopped.reason(), StopReason::Requested);
    assert_eq!((server.requests().len(), inner_requests(&server)), (2, 1));
    // With the handle still set, nothing is sent either.
    let outcome = agent.resume(through_json(stopped)).stop_handle(&stop).await.unwrap();
    assert!(matches!(outcome, Outcome::Stopped(_)), "{outcome:?}");
    assert_eq!(server.requests().len(), 2);

    let outcome = agent.resume(through_json(outcome)).await.unwrap();
    assert_eq!(outcome.text(), Ok("done"));
    assert_eq!((inner_requests(&server), runs.load(Ordering::Relaxed)), (2, 1));
    assert_eq!((outcome.usage().model_calls, outcome.usage().tool_calls), (4, 2));
    assert_no_call_dangles(&server);
}

#[tokio::test]
async fn a_program_that_ended_while_a_subagent_went_on_is_asked_about_it() {
    let rounds = [calls(&[ASKED]), calls(&[("p", "pay", "{}")]), says("found"), says("done")];
    let (_server, agent) = scripted(rounds).await;
    let (pay, paid) = counted("pay");
    let agent = agent.clone().tool(research(&agent.tool(pay.needs_approval())));
    let mut run = agent.run("Hi").await.unwrap().into_run();
    run.subagent_mut("c1").unwrap().approve("p").unwrap();
    // It ends right after the call has been noted.
    let dying = agent.clone().checkpoint(|run: &Run| {
        let has_begun = run.calls().iter().any(|call| call.state() == CallState::Started);
        async move { if has_begun { Err(std::io::Error::other("the program ended")) } else { Ok(()) } }
    });
    let run = through_json(dying.resume(run).await.unwrap_err().into_run());
    let mut run = through_json(agent.resume(run).await.unwrap());
    assert_eq!(run.pending().next().unwrap().state(), CallState::Interrupted);
    assert_eq!(paid.load(Ordering::Relaxed), 0);
    run.approve("c1").unwrap();
    assert_eq!(agent.resume(through_json(run)).await.unwrap().text(), Ok("done"));
    assert_eq!(paid.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_tool_that_runs_an_agent_by_hand_can_pause_with_it() {
    let rounds = [calls(&[ASKED]), calls(&[("p", "pay", "{}")]), says("found"), says("done")];
    let (server, agent) = scripted(rounds).await;
    let (pay, paid) = counted("pay");
    let inner = agent.clone().tool(pay.needs_approval());
    let tool = Tool::with_schema("research", "Looks", no_parameters(), move |_: Value, context: ToolContext| {
        let inner = inner.clone();
        async move {
            let run = context.subagent().cloned().unwrap_or_else(|| Run::new("Look it up"));
            match inner.resume(run).within(&context).await? {
                Outcome::Done(done) => Ok::<_, ToolError>(ToolOutput::text(format!("It is {}.", done.text()))),
                other => Ok(ToolOutput::paused(other)),
            }
        }
    });
    let agent = agent.tool(tool);
    let mut run = through_json(agent.run("Hi").await.unwrap());
    run.subagent_mut("c1").unwrap().approve("p").unwrap();
    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("done"));
    assert_eq!((outputs(&server)[0].1.as_str(), paid.load(Ordering::Relaxed)), (Some("It is found."), 1));
}

#[tokio::test]
async fn a_tool_that_keeps_returning_a_stopped_run_does_not_spin() {
    let (_server, agent) = scripted([calls(&[ASKED]), says("done")]).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let tool = Tool::with_schema("research", "Looks", no_parameters(), move || {
        counter.fetch_add(1, Ordering::Relaxed);
        async { ToolOutput::paused(Run::new("never")) }
    });
    let outcome = agent.tool(tool).run("Hi").await.unwrap();
    assert!(matches!(&outcome, Outcome::Stopped(stopped) if *stopped.reason() == StopReason::Requested), "{outcome:?}");
    assert_eq!(count.load(Ordering::Relaxed), 1);
}
