//! Tools: handlers, outputs, order, and how often they may fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openrouter_kit::agent::*;
use openrouter_kit::hooks::HookFuture;
use openrouter_kit::mock::Answer;
use openrouter_kit::models::responses::ResponsesTool;
use openrouter_kit::models::{Json, ResponsesRequest};
use serde_json::{Value, json};

use super::{assert_no_call_dangles, call_item, calls, echo, no_parameters, outputs, response, says, scripted};

use crate::a_limit::tokio;

fn tool<Form>(name: &str, handler: impl Handler<Form>) -> Tool {
    Tool::with_schema(name, "A tool", no_parameters(), handler)
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Place {
    /// The name of the city.
    city: String,
}

async fn weather(place: Place) -> Result<String, std::io::Error> {
    Ok(format!("sunny in {}", place.city))
}

#[derive(serde::Serialize)]
struct Degrees {
    celsius: f64,
}

#[tokio::test]
async fn handlers_of_every_form_work() {
    let round = [
        ("c1", "function", r#"{"city":"Rome"}"#),
        ("c2", "closure", r#"{"city":"Oslo"}"#),
        ("c3", "context", "{}"),
        ("c4", "nothing", ""),
        ("c5", "value", " "),
        ("c6", "struct", "null"),
        ("c7", "static", "{}"),
        ("c8", "parts", "{}"),
        ("c9", "empty", "{}"),
    ];
    let (server, agent) = scripted([calls(&round), says("done")]).await;
    let suffix = Arc::new("!".to_owned());
    let agent = agent
        .tool(Tool::new("function", "A function", weather))
        .tool(Tool::new("closure", "A closure", move |place: Place| {
            let suffix = Arc::clone(&suffix);
            async move { format!("{}{suffix}", place.city) }
        }))
        .tool(tool("context", async |_: Value, context: ToolContext| {
            format!("{} {} {}", context.call_id(), context.tool(), context.step())
        }))
        .tool(tool("nothing", async || "without arguments".to_owned()))
        .tool(tool("value", async |arguments: Value| json!({"got": arguments})))
        .tool(tool("struct", async || Ok::<_, ToolError>(Degrees { celsius: 24.5 })))
        .tool(tool("static", async || "text"))
        .tool(tool("parts", async || ToolOutput::text("a picture").with(ToolOutput::file("a.txt", "data:,a"))))
        .tool(tool("empty", async || String::new()));
    assert_eq!(agent.run("Hi").await.unwrap().text(), Ok("done"));
    let outputs: Vec<Value> = outputs(&server).into_iter().map(|(_, output)| output).collect();
    assert_eq!(outputs[0], "sunny in Rome");
    assert_eq!(outputs[1], "Oslo!");
    assert_eq!(outputs[2], "c3 context 1");
    assert_eq!(outputs[3], "without arguments");
    assert_eq!(outputs[4], r#"{"got":{}}"#);
    assert_eq!(outputs[5], r#"{"celsius":24.5}"#);
    assert_eq!(outputs[6], "text");
    assert_eq!(outputs[7][1]["type"], "input_file");
    // An empty output is refused by some providers.
    assert_eq!(outputs[8], "(empty)");
}

#[tokio::test]
async fn the_schema_of_a_typed_tool_is_strict_and_described() {
    let (server, agent) = scripted([says("done")]).await;
    agent.tool(Tool::new("weather", "The weather", weather)).run("Hi").await.unwrap().text().unwrap();
    let tool = server.requests()[0].json().to_value()["tools"][0].clone();
    assert_eq!(tool["name"], "weather");
    assert_eq!(tool["description"], "The weather");
    assert_eq!(tool["strict"], true);
    assert_eq!(tool["parameters"]["properties"]["city"]["description"], "The name of the city.");
    assert!(tool["parameters"].get("$schema").is_none());
}

#[tokio::test]
async fn a_schema_by_hand_becomes_strict_if_asked_and_says_why_it_cannot() {
    let schema = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 1},
            "unit": {"oneOf": [{"type": "string", "enum": ["c", "f"]}, {"type": "null"}]},
            "days": {"type": "array", "items": {"type": "object", "properties": {"day": {"type": "integer"}}}},
        },
        "required": ["city"],
    });
    let tool_of = |schema: Value| Tool::with_schema("weather", "", schema, async |_: Value| "sunny");
    let plain = tool_of(schema.clone());
    let (server, agent) = scripted([says("done"), says("done")]).await;
    agent.clone().tool(plain.clone()).run("Hi").await.unwrap().text().unwrap();
    agent.clone().tool(plain.strict(true)).run("Hi").await.unwrap().text().unwrap();
    let sent = |at: usize| server.requests()[at].json().to_value()["tools"][0].clone();
    assert_eq!((&sent(0)["parameters"], sent(0).get("strict")), (&schema, None));
    assert_eq!(sent(1)["strict"], true);
    assert_eq!(
        sent(1)["parameters"],
        json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"anyOf": [{"type": "string", "enum": ["c", "f"]}, {"type": "null"}]},
                "days": {"type": "array", "items": {"type": "object", "properties": {"day": {"type": "integer"}},
                    "required": ["day"], "additionalProperties": false}},
            },
            "required": ["city", "unit", "days"],
            "additionalProperties": false,
        })
    );

    let map = json!({"type": "object", "properties": {"tags": {"type": "object", "additionalProperties": true}}});
    let untyped = json!({"type": "object", "properties": {"list": {"type": "array", "items": {}}}});
    let all_of = json!({"type": "object", "allOf": [{"properties": {}}]});
    for (schema, reason) in [
        (map, "tags has `additionalProperties`"),
        (untyped, "list.items has no type"),
        (all_of, "the schema has `allOf`"),
    ] {
        let tool = tool_of(schema).strict(true);
        let error = agent.clone().tool(tool).run("Hi").await.unwrap_err().to_string();
        assert!(error.contains("`weather` cannot be strict") && error.contains(reason), "{error}");
    }
    assert_eq!(server.requests().len(), 2);
}

/// How many calls run at once, and the most that ever did.
#[derive(Clone, Default)]
struct Gauge(Arc<(AtomicUsize, AtomicUsize, Mutex<Vec<String>>)>);

impl Gauge {
    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }

    fn log(&self) -> Vec<String> {
        self.0.2.lock().unwrap().clone()
    }

    /// A tool that takes as long as its argument says, in milliseconds.
    fn tool(&self, name: &str) -> Tool {
        let gauge = self.clone();
        tool(name, move |arguments: Value| {
            let gauge = gauge.clone();
            async move {
                let now = gauge.0.0.fetch_add(1, Ordering::SeqCst) + 1;
                gauge.0.1.fetch_max(now, Ordering::SeqCst);
                let ms = arguments["ms"].as_u64().unwrap();
                gauge.0.2.lock().unwrap().push(format!("start {ms}"));
                for _ in 0..ms {
                    tokio::task::yield_now().await;
                }
                gauge.0.2.lock().unwrap().push(format!("end {ms}"));
                gauge.0.0.fetch_sub(1, Ordering::SeqCst);
                ms.to_string()
            }
        })
    }
}

fn timed_calls(name: &str, times: &[u64]) -> Answer {
    let items: Vec<Value> = times
        .iter()
        .enumerate()
        .map(|(n, ms)| call_item(&format!("c{n}"), name, &json!({"ms": ms}).to_string()))
        .collect();
    Answer::json(200, response(&items))
}

#[tokio::test]
async fn calls_run_in_parallel_up_to_the_cap_and_their_outputs_keep_the_order() {
    let times = [9, 1, 7, 2, 8, 3, 6, 4, 5, 12, 11, 10];
    for (cap, of_tool, most) in [(None, None, 8), (Some(3), None, 3), (None, Some(2), 2), (Some(1), None, 1)] {
        let (server, mut agent) = scripted([timed_calls("work", &times), says("done")]).await;
        let gauge = Gauge::default();
        let mut work = gauge.tool("work");
        if let Some(of_tool) = of_tool {
            work = work.max_concurrent(of_tool);
        }
        if let Some(cap) = cap {
            agent = agent.max_concurrent(cap);
        }
        agent.tool(work).run("Hi").await.unwrap().text().unwrap();
        assert_eq!(gauge.most(), most, "cap {cap:?}, of the tool {of_tool:?}");
        let order: Vec<String> =
            outputs(&server).iter().map(|(_, output)| output.as_str().unwrap().to_owned()).collect();
        assert_eq!(order, times.map(|ms| ms.to_string()));
    }
}

#[tokio::test]
async fn a_sequential_tool_runs_alone_in_its_place() {
    let items = [(1, "work"), (2, "work"), (3, "alone"), (4, "work"), (5, "work")]
        .map(|(ms, name)| call_item(&format!("c{ms}"), name, &json!({"ms": ms}).to_string()));
    let (_server, agent) = scripted([Answer::json(200, response(&items)), says("done")]).await;
    let gauge = Gauge::default();
    agent.tool(gauge.tool("work")).tool(gauge.tool("alone").sequential()).run("Hi").await.unwrap().text().unwrap();
    assert_eq!(
        gauge.log(),
        ["start 1", "start 2", "end 1", "end 2", "start 3", "end 3", "start 4", "start 5", "end 4", "end 5"]
    );
}

#[tokio::test]
async fn a_panic_of_a_tool_is_a_failed_call() {
    let (server, agent) =
        scripted([calls(&[("c1", "bad", "{}"), ("c2", "worse", "{}"), ("c3", "echo", "{}")]), says("done")]).await;
    let bad = tool("bad", async || -> String { panic!("secret") });
    let worse = tool("worse", || -> std::future::Ready<String> { panic!("secret") });
    agent.tools([bad, worse, echo("echo")]).run("Hi").await.unwrap().text().unwrap();
    let outputs: Vec<Value> = outputs(&server).into_iter().map(|(_, output)| output).collect();
    assert_eq!(outputs, ["The tool failed.", "The tool failed.", "{}"]);
}

#[tokio::test]
async fn a_tool_may_fail_as_often_as_its_retries_allow() {
    for (retries, requests) in [(0, 1), (1, 2), (3, 4)] {
        let (server, agent) = scripted((0..9).map(|n| calls(&[("c", "fail", &format!("[{n}]"))]))).await;
        let fail = tool("fail", async |_: Json| Err::<(), _>(ToolError::visible("no"))).retries(retries);
        let outcome = agent.tool(fail).run("Hi").await.unwrap();
        let Outcome::Stopped(stopped) = outcome else { panic!("{outcome:?}") };
        assert_eq!(*stopped.reason(), StopReason::ToolFailures("fail".to_owned()));
        assert_eq!(server.requests().len(), requests);
    }
}

#[tokio::test]
async fn a_success_starts_the_count_of_failures_again() {
    let script = [false, false, true, false, false, true];
    let answers =
        script.iter().enumerate().map(|(n, ok)| calls(&[("c", "flaky", &json!({"n": n, "ok": ok}).to_string())]));
    let (_server, agent) = scripted(answers.chain([says("done")])).await;
    let flaky = tool("flaky", async |arguments: Value| match arguments["ok"] == true {
        true => Ok("fine"),
        false => Err(ToolError::visible("not now")),
    });
    assert_eq!(agent.tool(flaky.retries(2)).run("Hi").await.unwrap().text(), Ok("done"));
}

#[tokio::test]
async fn a_tool_that_ends_the_run_gives_its_text() {
    let round = calls(&[("c1", "submit", r#"{"answer":42}"#), ("c2", "echo", "{}")]);
    let (server, agent) = scripted([round, says("And 43?")]).await;
    let submit = tool("submit", async |arguments: Value| Ok::<_, ToolError>(arguments)).ends_run();
    let agent = agent.tool(submit).tool(echo("echo"));
    let outcome = agent.run("Hi").await.unwrap();
    assert_eq!(outcome.text(), Ok(r#"{"answer":42}"#));
    assert_eq!(outcome.parse::<Value>().unwrap()["answer"], 42);
    assert_eq!(server.requests().len(), 1);
    let run = outcome.into_run().with_input("Next").unwrap();
    assert_eq!(agent.resume(run).await.unwrap().text(), Ok("And 43?"));
    assert_no_call_dangles(&server);
}

#[tokio::test]
async fn a_failed_call_of_a_tool_that_ends_the_run_does_not_end_it() {
    let (_server, agent) = scripted([calls(&[("c1", "submit", "{}")]), says("sorry")]).await;
    let submit = tool("submit", async |_: Place| "thanks").ends_run();
    assert_eq!(agent.tool(submit).run("Hi").await.unwrap().text(), Ok("sorry"));
}

#[tokio::test]
async fn a_call_that_repeats_itself_is_not_run_and_then_stops_the_run() {
    let same = |n: usize| {
        // The same arguments, written in another way.
        let arguments = if n.is_multiple_of(2) { r#"{"a":1,"b":2}"# } else { r#"{ "b": 2, "a": 1.0 }"# };
        calls(&[("c", "look", arguments)])
    };
    let (server, agent) = scripted((0..9).map(same)).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let look = tool("look", move |_: Json| {
        counter.fetch_add(1, Ordering::Relaxed);
        async { "nothing new" }
    });
    let outcome = agent.clone().tool(look.clone()).run("Hi").await.unwrap();
    let Outcome::Stopped(stopped) = outcome else { panic!("{outcome:?}") };
    assert_eq!(*stopped.reason(), StopReason::Loop("look".to_owned()));
    assert_eq!((server.requests().len(), count.load(Ordering::Relaxed)), (6, 2));
    let received = outputs(&server).pop().unwrap().1;
    assert!(received.as_str().unwrap().starts_with("This call was not run: it repeats"), "{received}");

    // A tool that polls may.
    let (server, agent) = scripted((0..8).map(same).chain([says("done")])).await;
    assert_eq!(agent.tool(look.may_loop()).run("Hi").await.unwrap().text(), Ok("done"));
    assert_eq!(server.requests().len(), 9);
}

#[tokio::test]
async fn ids_that_repeat_or_are_missing_are_replaced() {
    let first = calls(&[("c1", "echo", "[1]"), ("c1", "echo", "[2]"), ("", "echo", "[3]")]);
    let second = calls(&[("c1", "echo", "[4]")]);
    let (server, agent) = scripted([first, second, says("done")]).await;
    let outcome = agent.tool(echo("echo")).run("Hi").await.unwrap();
    assert_eq!(outcome.text(), Ok("done"));
    let expected = [("c1", "[1]"), ("c1-2", "[2]"), ("call-2", "[3]"), ("c1-3", "[4]")];
    assert_eq!(outputs(&server), expected.map(|(id, output)| (id.to_owned(), json!(output))));
    assert_no_call_dangles(&server);
}

#[tokio::test]
async fn a_forced_tool_choice_holds_until_a_tool_was_called() {
    let (server, agent) = scripted([calls(&[("c1", "echo", "{}")]), says("done")]).await;
    let agent = agent.tool(echo("echo")).request(|request| request.tool_choice("required"));
    agent.run("Hi").await.unwrap().text().unwrap();
    let choices: Vec<Value> =
        server.requests().iter().map(|request| request.json().to_value()["tool_choice"].clone()).collect();
    assert_eq!(choices, [json!("required"), Value::Null]);
}

#[tokio::test]
async fn a_tool_that_a_step_does_not_offer_is_not_run() {
    let (server, agent) = scripted([calls(&[("c1", "delete", "{}")]), says("sorry")]).await;
    let agent = agent.tool(echo("delete")).tool(echo("read")).prepare_step(|_, request| {
        let tools = request.tools.iter_mut().flatten();
        let _ = tools.count();
        if let Some(tools) = &mut request.tools {
            tools.retain(|tool| !matches!(tool, ResponsesTool::Function(tool) if tool.name == "delete"));
        }
    });
    agent.run("Hi").await.unwrap().text().unwrap();
    assert_eq!(outputs(&server)[0].1, "There is no tool \"delete\". The tools are: read.");
}

#[tokio::test]
async fn tools_of_the_server_are_passed_through() {
    let (server, agent) = scripted([says("done")]).await;
    let search: ResponsesTool = serde_json::from_value(json!({"type": "openrouter:web_search"})).unwrap();
    agent.tool(Tool::server(search)).tool(echo("echo")).run("Hi").await.unwrap().text().unwrap();
    let tools = server.requests()[0].json().to_value()["tools"].clone();
    assert_eq!((&tools[0]["type"], &tools[1]["name"]), (&json!("openrouter:web_search"), &json!("echo")));
}

#[tokio::test]
async fn two_tools_of_one_name_are_refused_before_anything_is_sent() {
    let (server, agent) = scripted([]).await;
    let error = agent.tool(echo("a")).tool(echo("a")).run("Hi").await.unwrap_err();
    assert!(matches!(error.kind(), AgentErrorKind::Run(RunError::DuplicateTool { name }) if name == "a"), "{error:?}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn tools_see_the_values_of_the_agent_and_of_the_run() {
    #[derive(Debug)]
    struct User(#[expect(dead_code, reason = "only its `Debug` is used")] u64);
    let round = calls(&[("c1", "who", "{}")]);
    let (server, agent) = scripted([round, says("done")]).await;
    let who = tool("who", async |_: Value, context: ToolContext| {
        format!("{:?} {:?} {:?}", context.data::<User>(), context.data::<String>(), context.data::<u8>())
    });
    agent.data("all".to_owned()).data(User(1)).tool(who).run("Hi").data(User(7)).await.unwrap().text().unwrap();
    assert_eq!(outputs(&server)[0].1, "Some(User(7)) Some(\"all\") None");
}

#[derive(Debug)]
struct Careful;

impl RunHook for Careful {
    fn before_model<'a>(&'a self, run: &'a Run, request: &'a mut ResponsesRequest) -> HookFuture<'a, ()> {
        request.user = Some(format!("step {}", run.steps().len()));
        Box::pin(async { Ok(()) })
    }

    fn before_tool<'a>(&'a self, _: &'a Run, call: &'a mut ToolCall) -> HookFuture<'a, ToolDecision> {
        let decision = match call.name() {
            "delete" => ToolDecision::Ask,
            "shout" => ToolDecision::refuse("Be quiet."),
            _ => {
                call.set_arguments(json!({"changed": true}));
                ToolDecision::Allow
            }
        };
        Box::pin(async { Ok(decision) })
    }

    fn after_tool<'a>(
        &'a self,
        _: &'a Run,
        _: &'a ToolCall,
        result: &'a mut Result<ToolOutput, ToolError>,
    ) -> HookFuture<'a, ()> {
        *result = Ok(ToolOutput::text("hidden"));
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn hooks_see_change_and_refuse_calls() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let note = tool("note", move |arguments: Value| {
        log.lock().unwrap().push(arguments);
        async { "note" }
    });
    let round = calls(&[("c1", "note", "{}"), ("c2", "shout", "{}"), ("c3", "delete", "{}")]);
    let (server, agent) = scripted([round, says("done")]).await;
    let agent = agent.tools([note, echo("shout"), echo("delete")]).hook(Careful);
    let mut run = agent.run("Hi").await.unwrap().into_run();
    assert_eq!(run.pending().map(ToolCall::id).collect::<Vec<_>>(), ["c3"]);
    run.approve("c3").unwrap();
    agent.resume(run).await.unwrap().text().unwrap();
    assert_eq!(*seen.lock().unwrap(), [json!({"changed": true})]);
    let outputs: Vec<Value> = outputs(&server).into_iter().map(|(_, output)| output).collect();
    assert_eq!(outputs, ["hidden", "Be quiet.", "hidden"]);
    assert_eq!(server.requests()[1].json()["user"], "step 1");
}

#[tokio::test]
async fn a_timeout_is_a_failed_call_that_is_dropped() {
    let (server, agent) = scripted([calls(&[("c1", "slow", "{}"), ("c2", "echo", "{}")]), says("done")]).await;
    let slow = tool("slow", async || std::future::pending::<()>().await).timeout(Duration::from_millis(10));
    agent.tool(slow).tool(echo("echo")).run("Hi").await.unwrap().text().unwrap();
    assert_eq!(outputs(&server)[0].1, "The tool did not finish within 10ms.");
    assert_eq!(outputs(&server)[1].1, "{}");
}

#[tokio::test]
async fn tools_of_a_source_may_change_during_a_run() {
    let first = calls(&[("c1", "grow", "{}")]);
    let (server, agent) = scripted([first, calls(&[("c2", "new", "{}")]), says("done")]).await;
    let has_grown = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let grown = Arc::clone(&has_grown);
    let grow = tool("grow", move || {
        grown.store(true, Ordering::Relaxed);
        async {}
    });
    let agent = agent
        .tool(grow)
        .tool_source(move || if has_grown.load(Ordering::Relaxed) { vec![echo("new")] } else { Vec::new() });
    assert_eq!(agent.run("Hi").await.unwrap().text(), Ok("done"));
    let counts: Vec<usize> =
        server.requests().iter().map(|request| request.json()["tools"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [1, 2, 2]);
}

#[tokio::test]
async fn an_unknown_tool_fails_the_run_before_other_calls_start() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let (_server, agent) = scripted([calls(&[("c1", "count", "{}"), ("c2", "nope", "{}")])]).await;
    let tool = tool("count", move || {
        counter.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    let error = agent.tool(tool).unknown_tool(UnknownTool::Fail).run("Hi").await.unwrap_err();
    assert!(matches!(error.kind(), AgentErrorKind::UnknownTool(_)), "{error:?}");
    assert!(error.run().calls().iter().all(|call| call.state() == CallState::Requested));
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_external_tool_may_end_the_run_unless_it_is_rejected() {
    let (server, agent) = scripted([calls(&[("c1", "submit", "{}")]), says("sorry")]).await;
    let agent = agent.tool(Tool::external("submit", "Submits", no_parameters()).ends_run());
    let run = agent.run("Hi").await.unwrap().into_run();
    let mut answered = run.clone();
    answered.answer("c1", "accepted").unwrap();
    assert_eq!(agent.resume(answered).await.unwrap().text(), Ok("accepted"));
    let mut rejected = run;
    rejected.reject("c1", "too early").unwrap();
    assert_eq!(agent.resume(rejected).await.unwrap().text(), Ok("sorry"));
    assert_eq!(server.requests().len(), 2);
}
