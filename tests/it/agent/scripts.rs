//! Random scripts: what models, people, tools and crashes can do to a run, and what must hold nevertheless.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use openrouter_kit::RetryConfig;
use openrouter_kit::agent::*;
use openrouter_kit::mock::{Answer, Fault, MockServer, Place};
use serde_json::{Value, json};

use super::{assert_no_call_dangles, call_item, no_parameters, response, says, text_item};

use crate::a_limit::tokio;

const SEEDS: u64 = 150;

/// What has become of a run on its way.
type Saved = Arc<Mutex<Option<String>>>;
/// How often the call with this id has run its tool.
type Ran = Arc<Mutex<BTreeMap<String, u64>>>;

/// What a model might respond.
fn random_response(rng: &mut Rng) -> Answer {
    let refusal = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "refusal", "refusal": "No."}]});
    match rng.u8(..20) {
        0 => Answer::json(200, response(&[])),
        1 => Answer::json(200, response(&[refusal])),
        2 => Answer::json(400, json!({"error": {"code": 400, "message": "No"}})),
        3 => Answer::json(200, response(&[text_item("cut")])).fault(Fault::Close, Place::AfterHead),
        4 | 5 => says("done"),
        kind => {
            let names = ["once", "again", "gated", "ask", "outside", "broken", "nested", "none"];
            let arguments = ["{}", r#"{"n":1}"#, r#"{"n":2}"#, "", "{", "[1]", r#"{"input":"Look"}"#];
            let mut items: Vec<Value> = (0..rng.usize(1..6))
                .map(|_| {
                    let id = ["a", "b", "c", "", "a-2"][rng.usize(..5)];
                    call_item(id, names[rng.usize(..names.len())], arguments[rng.usize(..arguments.len())])
                })
                .collect();
            if rng.bool() {
                items.insert(rng.usize(..=items.len()), text_item("on it"));
            }
            let mut answer = response(&items);
            if rng.u8(..5) == 0 {
                answer["usage"] = Value::Null;
            }
            if kind == 6 {
                answer["status"] = "incomplete".into();
                answer["incomplete_details"] = json!({"reason": "max_output_tokens"});
            }
            Answer::json(200, answer)
        }
    }
}

/// A tool that notes for each call how often it ran.
fn noted(name: &str, ran: &Ran) -> Tool {
    let (ran, tool) = (Arc::clone(ran), name.to_owned());
    Tool::with_schema(
        name,
        "Notes its calls",
        no_parameters(),
        move |_: BTreeMap<String, Value>, context: ToolContext| {
            let id = format!("{tool} {} {}", context.run_id(), context.call_id());
            *ran.lock().unwrap().entry(id).or_default() += 1;
            async { Ok::<_, ToolError>("ok") }
        },
    )
}

/// Decides something about some of the pending calls, those of subagents included.
fn decide(run: &mut Run, rng: &mut Rng) {
    let pending: Vec<_> = run.pending().map(|call| (call.id().to_owned(), call.state())).collect();
    for (id, state) in pending {
        match (state, rng.u8(..8)) {
            (_, 0) => {}
            (_, 1) => run.reject(&id, "no").unwrap(),
            (CallState::Subagent, _) => decide(run.subagent_mut(&id).unwrap(), rng),
            // Whoever approves an interrupted call lets it run twice.
            (CallState::NeedsApproval, 2) => run.approve_with(&id, json!({"n": 9})).unwrap(),
            (CallState::NeedsApproval, _) => run.approve(&id).unwrap(),
            _ => run.answer(&id, "answered").unwrap(),
        }
    }
}

fn through_json(text: &str) -> Run {
    let run: Run = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&run).unwrap(), text);
    run
}

#[tokio::test]
async fn no_script_breaks_a_history_or_a_limit_or_runs_a_tool_twice() {
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let server = MockServer::start().await;
        for _ in 0..60 {
            server.answer(random_response(&mut rng));
        }
        let client = server.client_builder().retry_config(RetryConfig::none()).build().unwrap();
        let (ran, saved): (Ran, Saved) = Default::default();
        let ask = Tool::with_schema("ask", "Asks", no_parameters(), async || ToolOutput::question("Which?"));
        let broken =
            Tool::with_schema("broken", "Fails", no_parameters(), async || Err::<(), _>(ToolError::new("broken")));
        let inner = client.agent("c/d").tools([noted("once", &ran), noted("gated", &ran).needs_approval()]);
        let crash_at = Arc::new(Mutex::new(0_u32));
        let (saver, dying) = (Arc::clone(&saved), Arc::clone(&crash_at));
        let (model_calls, tool_calls) = (rng.u64(1..9), rng.u64(0..12));
        let on_limit = [OnLimit::FinalAnswer, OnLimit::Stop, OnLimit::Error][rng.usize(..3)];
        let limits = Limits::new().model_calls(model_calls).tool_calls(tool_calls).on_limit(on_limit);
        let agent = client
            .agent("a/b")
            .tools([noted("once", &ran), noted("again", &ran).repeatable(), noted("gated", &ran).needs_approval()])
            .tools([ask, broken, Tool::external("outside", "Runs elsewhere", no_parameters())])
            .tool(Tool::from_agent("nested", "Looks", inner))
            .limits(limits)
            .max_concurrent(rng.usize(1..5))
            .checkpoint(move |run: &Run| {
                *saver.lock().unwrap() = Some(serde_json::to_string(run).unwrap());
                let mut left = dying.lock().unwrap();
                *left = left.saturating_sub(1);
                let dies = *left == 0;
                async move { if dies { Err(std::io::Error::other("the program ended")) } else { Ok(()) } }
            });

        let mut run = Run::new("Hi");
        for _ in 0..20 {
            // Some processes die when they have saved the run so and so often.
            *crash_at.lock().unwrap() = if rng.bool() { rng.u32(1..8) } else { u32::MAX };
            let ended = match agent.resume(run).await {
                Ok(outcome) => outcome.into_run(),
                Err(error) if matches!(error.kind(), AgentErrorKind::Checkpoint(_)) => {
                    through_json(saved.lock().unwrap().as_ref().unwrap())
                }
                Err(error) => {
                    let is_expected = matches!(error.kind(), AgentErrorKind::Model(_) | AgentErrorKind::Limit(_));
                    assert!(is_expected, "seed {seed}: {error:?}");
                    error.into_run()
                }
            };
            run = through_json(&serde_json::to_string(&ended).unwrap());
            let used = run.turn_usage();
            assert!(used.model_calls <= model_calls && used.tool_calls <= tool_calls, "seed {seed}: {used:?}");
            if *run.status() == RunStatus::Done || used.model_calls == model_calls {
                break;
            }
            decide(&mut run, &mut rng);
        }
        assert_no_call_dangles(&server);
        let ids: Vec<&str> = run.calls().iter().map(ToolCall::id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "seed {seed}");
        for (call, times) in &*ran.lock().unwrap() {
            assert!(*times == 1 || call.starts_with("again "), "seed {seed}: {call} ran {times} times");
        }
    }
}
