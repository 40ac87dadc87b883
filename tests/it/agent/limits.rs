//! What a run may use.

use std::time::Duration;

use openrouter_kit::agent::*;
use openrouter_kit::mock::{Answer, MockServer};
use serde_json::json;

use super::{
    assert_no_call_dangles, call_item, calls, echo, no_parameters, outputs, response, says, scripted, text_item,
};

use crate::a_limit::tokio;

/// A model that calls a tool with ever new arguments.
fn endless(server: &MockServer, calls_per_round: usize) {
    for round in 0..30 {
        let all: Vec<_> = (0..calls_per_round).map(|n| (format!("c{round}-{n}"), format!("[{round},{n}]"))).collect();
        let all: Vec<_> = all.iter().map(|(id, arguments)| (id.as_str(), "echo", arguments.as_str())).collect();
        server.answer(calls(&all));
    }
}

async fn run_with(limits: Limits, calls_per_round: usize) -> (MockServer, Result<Outcome, AgentError>) {
    let server = MockServer::start().await;
    endless(&server, calls_per_round);
    let outcome = server.client().agent("a/b").tool(echo("echo")).limits(limits).run("Hi").await;
    assert_no_call_dangles(&server);
    (server, outcome)
}

/// Limits, and how many requests and tool calls they allow when each response makes two calls, with 100 tokens in, 10 out
/// and one cent.
#[tokio::test]
async fn every_limit_holds_exactly() {
    let usd = |text: &str| text.parse().unwrap();
    let table: [(Limits, Limit, usize, u64); 13] = [
        (Limits::new().model_calls(1), Limit::ModelCalls, 1, 0),
        (Limits::new().model_calls(3), Limit::ModelCalls, 3, 4),
        (Limits::new(), Limit::ModelCalls, 20, 38),
        (Limits::new().tool_calls(0), Limit::ToolCalls, 2, 0),
        (Limits::new().tool_calls(3), Limit::ToolCalls, 3, 3),
        (Limits::new().input_tokens(100), Limit::InputTokens, 1, 2),
        (Limits::new().input_tokens(250), Limit::InputTokens, 2, 2),
        (Limits::new().output_tokens(30), Limit::OutputTokens, 3, 4),
        (Limits::new().total_tokens(111), Limit::TotalTokens, 2, 2),
        (Limits::new().cost(usd("0.01")), Limit::Cost, 1, 2),
        (Limits::new().cost(usd("0.04")), Limit::Cost, 4, 6),
        (Limits::new().cost(usd("0.035")), Limit::Cost, 3, 4),
        (Limits::new().cost(usd("0.035")).cost_per_call(usd("0.01")), Limit::Cost, 3, 4),
    ];
    for (limits, limit, requests, tool_calls) in table {
        for on_limit in [OnLimit::FinalAnswer, OnLimit::Stop, OnLimit::Error] {
            let limits = limits.on_limit(on_limit);
            let (server, result) = run_with(limits, 2).await;
            let reserve = on_limit == OnLimit::FinalAnswer;
            let run = match result {
                Ok(outcome) => {
                    assert_ne!(on_limit, OnLimit::Error);
                    outcome.into_run()
                }
                Err(error) => {
                    assert_eq!(on_limit, OnLimit::Error);
                    assert!(matches!(error.kind(), AgentErrorKind::Limit(reached) if *reached == limit), "{error:?}");
                    error.into_run()
                }
            };
            assert_eq!(*run.status(), RunStatus::Stopped(StopReason::Limit(limit)), "{limits:?}");
            let sent = server.requests().len();
            let used = run.usage();
            assert_eq!(used.model_calls, sent as u64, "{limits:?}");
            if reserve {
                assert_eq!((sent, used.tool_calls), (requests, tool_calls), "{limits:?}");
                let last = server.requests().last().unwrap().json().to_value();
                let is_final = last["tool_choice"] == "none";
                assert!(is_final || used.model_calls == 1, "the last call offers tools: {limits:?}");
                assert!(last["tools"].as_array().is_some_and(|tools| tools.len() == 1));
            }
            let passed = used.cost > usd("0.04") && limit == Limit::Cost;
            assert!(!passed, "{limits:?}: {used:?}");
        }
    }
}

#[tokio::test]
async fn the_last_call_of_a_limit_is_the_final_text() {
    let (server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("what I know")]).await;
    let outcome = agent.tool(echo("echo")).limits(Limits::new().model_calls(2)).run("Hi").await.unwrap();
    let Outcome::Done(done) = &outcome else { panic!("{outcome:?}") };
    assert_eq!((done.text(), done.limit()), ("what I know", Some(Limit::ModelCalls)));
    assert_eq!(server.requests()[1].json()["tool_choice"], "none");
}

#[tokio::test]
async fn a_run_without_tools_is_not_marked_by_its_last_call() {
    let (server, agent) = scripted([says("hello")]).await;
    let outcome = agent.limits(Limits::new().model_calls(1)).run("Hi").await.unwrap();
    assert!(matches!(&outcome, Outcome::Done(done) if done.limit().is_none()), "{outcome:?}");
    assert!(server.requests()[0].json()["tool_choice"].is_null());
}

#[tokio::test]
async fn a_call_beyond_the_limit_of_tool_calls_is_not_run() {
    let (server, agent) = scripted([calls(&[("c1", "echo", "[1]"), ("c2", "echo", "[2]")]), says("done")]).await;
    let outcome = agent.tool(echo("echo")).limits(Limits::new().tool_calls(1)).run("Hi").await.unwrap();
    assert!(matches!(&outcome, Outcome::Done(done) if done.limit() == Some(Limit::ToolCalls)), "{outcome:?}");
    assert_eq!(outputs(&server)[0].1, "[1]");
    assert_eq!(outputs(&server)[1].1, "This call was not run: the limit of tool calls is reached.");
}

#[tokio::test]
async fn a_stopped_run_goes_on_with_higher_limits() {
    let (_server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("done")]).await;
    let agent = agent.tool(echo("echo"));
    let stop = Limits::new().model_calls(1).on_limit(OnLimit::Stop);
    let outcome = agent.clone().limits(stop).run("Hi").await.unwrap();
    assert!(outcome.text().unwrap_err().to_string().contains("the limit of model calls is reached"));
    let outcome = agent.resume(outcome).await.unwrap();
    assert_eq!((outcome.text(), outcome.usage().model_calls), (Ok("done"), 2));
}

#[tokio::test]
async fn limits_count_from_the_last_input() {
    let (_server, agent) = scripted([says("one"), says("two"), says("three")]).await;
    let agent = agent.limits(Limits::new().model_calls(1));
    let mut run = agent.run("1").await.unwrap().into_run();
    for _ in 0..2 {
        run = agent.resume(run.with_input("next").unwrap()).await.unwrap().into_run();
    }
    assert_eq!(run.text(), Some("three"));
    assert_eq!((run.usage().model_calls, run.turn_usage().model_calls), (3, 1));
}

#[tokio::test]
async fn a_cost_that_is_not_reported_is_counted_as_unknown() {
    let mut free = response(&[text_item("hello")]);
    free["usage"] = json!({"input_tokens": 5, "output_tokens": 5, "total_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}});
    let mut silent = response(&[text_item("hello")]);
    silent["usage"] = json!(null);
    let (_server, agent) = scripted([Answer::json(200, free), Answer::json(200, silent)]).await;
    let run = agent.run("Hi").await.unwrap().into_run();
    assert_eq!((run.usage().calls_without_cost, run.usage().total_tokens()), (1, 10));
    let run = agent.resume(run.with_input("And?").unwrap()).await.unwrap().into_run();
    assert_eq!((run.usage().calls_without_cost, run.usage().model_calls), (2, 2));
    assert_eq!(run.steps().iter().map(|step| step.usage.calls_without_cost).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_request_that_was_refused_costs_nothing() {
    let (_server, agent) = scripted([Answer::error(400, "no such model"), says("done")]).await;
    let error = agent.run("Hi").await.unwrap_err();
    assert_eq!(error.run().usage(), Usage::default());
    assert_eq!(agent.resume(error.into_run()).await.unwrap().text(), Ok("done"));
}

#[tokio::test]
async fn costs_are_summed_without_rounding() {
    let answer = |cost: f64| {
        let mut answer = response(&[text_item("hello")]);
        answer["usage"]["cost"] = json!(cost);
        Answer::json(200, answer)
    };
    let (_server, agent) = scripted([answer(0.1), answer(0.2), answer(0.000_000_15)]).await;
    let mut run = agent.run("1").await.unwrap().into_run();
    for _ in 0..2 {
        run = agent.resume(run.with_input("next").unwrap()).await.unwrap().into_run();
    }
    assert_eq!(run.usage().cost.to_string(), "0.30000015");
}

#[tokio::test]
async fn a_run_beyond_its_time_drops_what_is_under_way() {
    let (server, agent) = scripted([calls(&[("c1", "wait", "{}"), ("c2", "echo", "{}")]), says("done")]).await;
    let wait = Tool::with_schema("wait", "Waits forever", no_parameters(), async || std::future::pending::<()>().await);
    let agent = agent.tool(wait).tool(echo("echo"));
    let timed = agent.clone().limits(Limits::new().time(Duration::from_millis(50)));
    let outcome = timed.run("Hi").await.unwrap();
    let Outcome::Stopped(stopped) = outcome else { panic!("{outcome:?}") };
    assert_eq!(*stopped.reason(), StopReason::Limit(Limit::Time));
    assert!(stopped.run().active_time() >= Duration::from_millis(50));
    assert_eq!(agent.resume(stopped).await.unwrap().text(), Ok("done"));
    let outputs = outputs(&server);
    assert!(outputs[0].1.as_str().unwrap().starts_with("the time limit was reached"), "{outputs:?}");
    assert_eq!(outputs[1].1, "{}");
}

#[tokio::test]
async fn a_time_limit_ends_a_model_call() {
    use openrouter_kit::mock::{Fault, Place};

    let (server, agent) = scripted([says("never").fault(Fault::Stall, Place::AfterHead)]).await;
    let outcome = agent.limits(Limits::new().time(Duration::from_millis(50))).run("Hi").await.unwrap();
    assert!(matches!(&outcome, Outcome::Stopped(stopped) if *stopped.reason() == StopReason::Limit(Limit::Time)));
    assert_eq!((outcome.usage().model_calls, outcome.usage().calls_without_cost), (1, 1));
    assert_eq!(outcome.run().steps()[0].state, StepState::Failed);
    drop(server);
}

#[tokio::test]
async fn what_subagents_use_counts_in_the_run_above() {
    let (server, agent) = scripted([
        calls(&[("c1", "research", r#"{"input":"Look it up"}"#)]),
        calls(&[("s1", "echo", "{}")]),
        says("found"),
        says("done"),
    ])
    .await;
    let research = Tool::from_agent("research", "Looks things up", agent.clone().model("c/d").tool(echo("echo")));
    let outcome = agent.tool(research).run("Hi").await.unwrap();
    assert_eq!(outcome.text(), Ok("done"));
    assert_eq!(outputs(&server), [("c1".to_owned(), json!("found"))]);
    let usage = outcome.usage();
    assert_eq!((usage.model_calls, usage.tool_calls, usage.cost.to_string().as_str()), (4, 2, "0.04"));
    assert_eq!(outcome.run().steps()[0].usage.model_calls, 3);
    let models: Vec<_> =
        server.requests().iter().map(|request| request.json()["model"].as_str().map(str::to_owned)).collect();
    assert_eq!(models.iter().flatten().collect::<Vec<_>>(), ["a/b", "c/d", "c/d", "a/b"]);
}

#[tokio::test]
async fn subagents_cannot_pass_the_limits_of_the_run_above() {
    let server = MockServer::start().await;
    let twice = [("c1", "research", r#"{"input":"A"}"#), ("c2", "research", r#"{"input":"B"}"#)];
    server.answer(calls(&twice));
    endless(&server, 1);
    let agent = server.client().agent("a/b");
    let research = Tool::from_agent("research", "Looks things up", agent.clone().tool(echo("echo")));
    let limits = Limits::new().model_calls(6);
    let outcome = agent.tool(research).limits(limits).run("Hi").await.unwrap();
    assert_eq!(outcome.usage().model_calls, 6);
    assert_eq!(server.requests().len(), 6);
    // The last one was kept for the run above.
    let last = server.requests()[5].json().to_value();
    assert_eq!(last["tool_choice"], "none");
    assert!(last["input"].to_string().contains("the limit of model calls is reached"), "{last}");
}

#[tokio::test]
async fn a_call_of_unknown_cost_counts_as_expected() {
    let silent = (0..9).map(|n| {
        let mut answer = response(&[call_item("c", "echo", &format!("[{n}]"))]);
        answer["usage"] = json!(null);
        Answer::json(200, answer)
    });
    let (server, agent) = scripted(silent).await;
    let limits = Limits::new().cost("0.05".parse().unwrap()).cost_per_call("0.02".parse().unwrap());
    let outcome = agent.tool(echo("echo")).limits(limits).run("Hi").await.unwrap();
    assert!(matches!(&outcome, Outcome::Stopped(stopped) if *stopped.reason() == StopReason::Limit(Limit::Cost)));
    assert_eq!(server.requests().len(), 2);
    assert_eq!(outcome.usage().calls_without_cost, 2);
}
