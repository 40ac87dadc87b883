//! The loop: how runs end, what they send, and runs without an agent.

use std::collections::BTreeSet;

use openrouter_kit::agent::*;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::responses::{ResponsesInput, ResponsesResult};
use openrouter_kit::models::{InputItem, ResponsesRequest};
use serde_json::{Value, json};

use super::{assert_no_call_dangles, call_item, calls, echo, kinds, outputs, response, says, scripted, text_item};

#[tokio::test]
async fn one_line_runs_an_agent() {
    let (_server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("It is sunny.")]).await;
    let outcome = agent.tool(echo("echo")).run("What is the weather in Rome?").await.unwrap();
    assert_eq!(outcome.text().unwrap(), "It is sunny.");
}

#[tokio::test]
async fn call_model_runs_a_request_with_tools() {
    let server = MockServer::start().await;
    server.answer(calls(&[("c1", "echo", "{}")])).answer(says("done"));
    let request = ResponsesRequest::new().model("a/b").input("Hi").temperature(0.5);
    let outcome = server.client().call_model(request, [echo("echo")]).await.unwrap();
    assert_eq!(outcome.text(), Ok("done"));
    assert_eq!(server.requests()[1].json()["temperature"], 0.5);
    assert_eq!(kinds(&server)[1], ["user", "function_call", "function_call_output"]);
}

#[tokio::test]
async fn nothing_is_sent_before_a_run_is_polled() {
    let (server, agent) = scripted([says("done")]).await;
    let run = agent.run("Hi");
    let events = agent.run("Hi").stream();
    tokio::task::yield_now().await;
    assert_eq!(server.connections().opened, 0);
    drop((run, events));
}

#[tokio::test]
async fn reasoning_and_unknown_items_go_back_unchanged() {
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xyz", "new": [1]});
    let unknown = json!({"type": "from_tomorrow", "data": {"a": 1.50}});
    let first =
        response(&[reasoning.clone(), unknown.clone(), text_item("Let me see."), call_item("c1", "echo", "{}")]);
    let (server, agent) = scripted([Answer::json(200, first), says("done")]).await;
    agent.tool(echo("echo")).run("Hi").await.unwrap().text().unwrap();
    let input = server.requests()[1].json().to_value()["input"].clone();
    assert_eq!((&input[1], &input[2]), (&reasoning, &unknown));
    assert_eq!(input[3]["content"][0]["text"], "Let me see.");
}

#[tokio::test]
async fn an_empty_response_is_asked_for_once_more() {
    let empty = || Answer::json(200, response(&[text_item("  ")]));
    let (server, agent) = scripted([empty(), says("here")]).await;
    let outcome = agent.run("Hi").await.unwrap();
    assert_eq!((outcome.text(), outcome.usage().model_calls), (Ok("here"), 2));
    assert_eq!(kinds(&server), [["user"], ["user"]]);

    let (server, agent) = scripted([empty(), empty(), says("never")]).await;
    let outcome = agent.run("Hi").await.unwrap();
    let error = outcome.text().unwrap_err().to_string();
    assert_eq!(error, "the run has no final text: the model responded with nothing, twice");
    assert_eq!(server.requests().len(), 2);

    // Within the limits.
    let (server, agent) = scripted([empty(), says("never")]).await;
    let outcome = agent.limits(Limits::new().model_calls(1)).run("Hi").await.unwrap();
    assert!(matches!(&outcome, Outcome::Stopped(stopped) if *stopped.reason() == StopReason::Limit(Limit::ModelCalls)));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_a_final_text() {
    let refusal = json!({"type": "message", "id": "m", "role": "assistant", "status": "completed",
        "content": [{"type": "refusal", "refusal": "I cannot help with that."}]});
    let (_server, agent) = scripted([Answer::json(200, response(&[refusal]))]).await;
    let outcome = agent.run("Hi").await.unwrap();
    let Outcome::Stopped(stopped) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(*stopped.reason(), StopReason::Refusal("I cannot help with that.".to_owned()));
}

#[tokio::test]
async fn a_picture_is_a_final_response_without_a_text() {
    let picture = json!({"type": "image_generation_call", "id": "ig", "status": "completed", "result": "aGk="});
    let (_server, agent) = scripted([Answer::json(200, response(&[picture]))]).await;
    let outcome = agent.run("Hi").await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)));
    assert!(outcome.text().is_err());
}

#[tokio::test]
async fn a_call_of_an_unsupported_kind_stops_the_run() {
    let shell = json!({"type": "apply_patch_call", "id": "p", "call_id": "p1", "status": "completed",
        "operation": {"type": "delete_file", "path": "a"}});
    let (server, agent) = scripted([Answer::json(200, response(&[shell])), says("done")]).await;
    let outcome = agent.run("Hi").await.unwrap();
    let Outcome::Stopped(stopped) = outcome else { panic!("{outcome:?}") };
    assert_eq!(*stopped.reason(), StopReason::UnsupportedCall("apply_patch_call".to_owned()));
    let output = json!({"type": "apply_patch_call_output", "call_id": "p1", "status": "completed"});
    let items: Vec<InputItem> = serde_json::from_value(json!([output])).unwrap();
    let run = Run::from(stopped).with_input(ResponsesInput::from(items)).unwrap();
    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("done"));
    assert_eq!(kinds(&server)[1], ["user", "apply_patch_call", "apply_patch_call_output"]);
}

#[tokio::test]
async fn a_failed_request_leaves_a_run_that_goes_on_without_new_input() {
    let (server, agent) =
        scripted([calls(&[("c1", "echo", "{}")]), Answer::error(400, "too long"), says("done")]).await;
    let agent = agent.tool(echo("echo"));
    let error = agent.run("Hi").await.unwrap_err();
    assert_eq!(error.to_string(), "a model call of the run failed; the run can be resumed");
    assert!(format!("{error:?}").contains("too long"), "{error:?}");
    let outcome = agent.resume(error.into_run()).await.unwrap();
    assert_eq!(outcome.text(), Ok("done"));
    assert_eq!(kinds(&server)[1], kinds(&server)[2]);
}

#[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
struct Degrees {
    celsius: f64,
}

#[tokio::test]
async fn a_final_text_that_does_not_fit_is_asked_for_again() {
    let (server, agent) = scripted([says("about 20"), says(r#"{"celsius": 20.5}"#)]).await;
    let outcome = agent.output::<Degrees>().run("How warm is it?").await.unwrap();
    assert_eq!(outcome.parse::<Degrees>(), Ok(Degrees { celsius: 20.5 }));
    let second = server.requests()[1].json().to_value();
    assert_eq!(second["text"]["format"]["type"], "json_schema");
    assert!(second["input"][2].to_string().contains("is not JSON"), "{second}");

    let (server, agent) = scripted((0..9).map(|_| says("warm"))).await;
    let outcome = agent.output::<Degrees>().output_retries(1).run("How warm is it?").await.unwrap();
    assert!(matches!(&outcome, Outcome::Stopped(stopped) if matches!(stopped.reason(), StopReason::InvalidOutput(_))));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_short_history_keeps_calls_and_outputs_together() {
    let rounds = (0..6).map(|n| {
        let reasoning = json!({"type": "reasoning", "id": format!("rs_{n}"), "summary": []});
        let (a, b) = (format!("a{n}"), format!("b{n}"));
        let arguments = format!("[{n}]");
        let items = [reasoning, call_item(&a, "echo", &arguments), call_item(&b, "echo", &arguments)];
        Answer::json(200, response(&items))
    });
    for count in 0..12 {
        let (server, agent) = scripted(rounds.clone().chain([says("done")])).await;
        let agent = agent.tool(echo("echo")).prepare_step(move |_, request| keep_last_items(request, count));
        let input = [InputItem::system("Be brief."), InputItem::user("Hi")];
        let outcome = agent.run(input).await.unwrap();
        assert_eq!(outcome.text(), Ok("done"));
        assert_no_call_dangles(&server);
        for kinds in kinds(&server) {
            assert_eq!(kinds[0], "system", "{count}: {kinds:?}");
            let first = kinds.get(1).map(String::as_str);
            assert!(matches!(first, Some("user" | "reasoning")), "{count}: {kinds:?}");
            // A response is one reasoning, two calls and two outputs.
            assert!(kinds.len() <= 1 + count.max(1) + 5, "{count}: {kinds:?}");
        }
        // The run itself keeps everything.
        assert_eq!(outcome.run().items().len(), 2 + 6 * 5 + 1);
    }
}

/// A small generator of numbers, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn random_response(random: &mut Random) -> Value {
    let mut items = Vec::new();
    for _ in 0..random.below(4) {
        let id = ["c1", "c2", "", "c1-2"][random.below(4) as usize];
        let name = ["free", "gated", "fail", "outside", "ask", "nope"][random.below(6) as usize];
        let arguments = ["{}", "", "{\"a\":1}", "{broken", "[1]"][random.below(5) as usize];
        items.push(call_item(id, name, arguments));
    }
    if random.below(3) == 0 {
        items.push(text_item(["", "text"][random.below(2) as usize]));
    }
    let mut response = response(&items);
    if random.below(12) == 0 {
        response["status"] = "incomplete".into();
    }
    if random.below(5) == 0 {
        response["usage"] = Value::Null;
    }
    response
}

/// Whatever the model does and the program decides, no request has a call without an output, and no limit is passed.
#[tokio::test]
async fn random_runs_never_send_a_dangling_call_nor_pass_a_limit() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let server = MockServer::start().await;
        for _ in 0..40 {
            server.answer(match random.below(12) {
                0 => Answer::error(400, "no"),
                _ => Answer::json(200, random_response(&mut random)),
            });
        }
        let fail = Tool::with_schema("fail", "Fails", json!({}), async || Err::<(), _>(ToolError::new("no")));
        let ask = Tool::with_schema("ask", "Asks", json!({}), async || ToolOutput::question("?"));
        let outside = Tool::external("outside", "Elsewhere", json!({}));
        let (model_calls, tool_calls) = (1 + random.below(8), random.below(10));
        let actions = [OnLimit::FinalAnswer, OnLimit::Stop, OnLimit::Error];
        let limits =
            Limits::new().model_calls(model_calls).tool_calls(tool_calls).on_limit(actions[random.below(3) as usize]);
        let agent = server.client().agent("a/b").limits(limits);
        let agent = agent.tools([echo("free"), echo("gated").needs_approval(), fail, ask, outside]);
        let mut run = Run::new("Hi");
        for _ in 0..20 {
            run = match agent.resume(run).await {
                Ok(outcome) => outcome.into_run(),
                Err(error) => error.into_run(),
            };
            run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
            if run.status().is_end() {
                break;
            }
            let pending: Vec<String> = run.pending().map(|call| call.id().to_owned()).collect();
            for id in pending {
                match random.below(4) {
                    0 => drop(run.approve(&id)),
                    1 => run.reject(&id, "no").unwrap(),
                    2 => run.answer(&id, "yes").unwrap(),
                    _ => {}
                }
            }
        }
        assert_no_call_dangles(&server);
        let usage = run.usage();
        assert!(usage.model_calls <= model_calls && usage.tool_calls <= tool_calls, "seed {seed}: {usage:?}");
        let ids: Vec<&str> = run.calls().iter().map(ToolCall::id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "seed {seed}");
    }
}

#[test]
fn a_run_can_be_driven_without_an_agent() {
    let limits = Limits::new().model_calls(2);
    let mut run = Run::new("Hi");
    assert_eq!(run.next_step(&limits), NextStep::CallModel { is_final: false });
    run.begin_model_call();
    let read = |output: &[Value]| serde_json::from_value::<ResponsesResult>(response(output)).unwrap();
    run.finish_model_call(&read(&[call_item("c1", "a", "{}"), call_item("c2", "b", "{}")]));
    assert_eq!(run.next_step(&limits), NextStep::RunTools);
    for id in ["c1", "c2"] {
        run.begin_tool_call(id).unwrap();
    }
    assert!(run.begin_tool_call("c1").is_err());
    run.finish_tool_call("c2", "two").unwrap();
    assert_eq!(run.next_step(&limits), NextStep::Wait);
    run.fail_tool_call("c1", "broken").unwrap();
    assert_eq!(run.next_step(&limits), NextStep::CallModel { is_final: true });
    assert_eq!(run.items().len(), 5);
    run.begin_model_call();
    run.finish_model_call(&read(&[text_item("done")]));
    assert_eq!((run.next_step(&limits), run.text()), (NextStep::End, Some("done")));
    assert_eq!(run.usage().cost.to_string(), "0.02");
}

#[tokio::test]
async fn the_model_sees_why_arguments_do_not_fit() {
    #[derive(Debug, serde::Deserialize)]
    struct Trip {
        #[expect(dead_code, reason = "reading is what is tested")]
        stops: Vec<u32>,
    }
    let round = calls(&[("c1", "trip", r#"{"stops":[1,"two"]}"#), ("c2", "trip", "{\"stops\":")]);
    let (server, agent) = scripted([round, says("done")]).await;
    let trip = Tool::with_schema("trip", "Plans", json!({}), async |_: Trip| "planned");
    agent.tool(trip).run("Hi").await.unwrap().text().unwrap();
    let told = outputs(&server);
    assert!(
        told[0].1.as_str().unwrap().contains("at `stops[1]`: invalid type: string \"two\", expected u32"),
        "{told:?}"
    );
    assert!(told[1].1.as_str().unwrap().contains("ends before its JSON is complete"), "{told:?}");
}

#[tokio::test]
async fn a_history_can_be_replaced_between_turns_but_not_in_a_round() {
    let (server, agent) = scripted([says("one"), calls(&[("c1", "echo", "{}")]), says("two")]).await;
    let agent = agent.tool(echo("echo").needs_approval());
    let mut run = agent.run("A long story").await.unwrap().into_run();
    run.set_items(vec![InputItem::user("A summary")]).unwrap();
    let mut run = agent.resume(run.with_input("Go on").unwrap()).await.unwrap().into_run();
    assert_eq!(kinds(&server)[1], ["user", "user"]);
    assert_eq!(run.set_items(Vec::new()), Err(RunError::CallsPending { id: "c1".to_owned() }));
    run.approve("c1").unwrap();
    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("two"));
}
