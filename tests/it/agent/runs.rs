//! The loop: how runs end, what they send, and runs without an agent.

use openrouter_kit::agent::*;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::responses::{ResponsesInput, ResponsesResult};
use openrouter_kit::models::{InputItem, ResponsesRequest};
use serde_json::{Value, json};

use super::{assert_no_call_dangles, call_item, calls, echo, kinds, outputs, response, says, scripted, text_item};

use crate::a_limit::tokio;

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

#[test]
fn a_run_can_be_driven_without_an_agent() {
    let limits = Limits::new().model_calls(2);
    let mut run = Run::new("Hi");
    assert_eq!(run.next_step(&limits), NextStep::CallModel { is_final: false });
    run.begin_model_call();
    let read = |output: &[Value]| serde_json::from_value::<ResponsesResult>(response(output)).unwrap();
    run.finish_model_call(read(&[call_item("c1", "a", "{}"), call_item("c2", "b", "{}")]));
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
    run.finish_model_call(read(&[text_item("done")]));
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
    let received = outputs(&server);
    assert!(
        received[0].1.as_str().unwrap().contains("at `stops[1]`: invalid type: string \"two\", expected u32"),
        "{received:?}"
    );
    assert!(received[1].1.as_str().unwrap().contains("ends before its JSON is complete"), "{received:?}");
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
