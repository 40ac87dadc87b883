//! Waiting for a video: when its state is requested, what ends the wait, and what the result is
//! then.

use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{Script, Step, answer};
use futures_core::Stream;
use openrouter_kit::core::transport::TransportErrorKind;
use openrouter_kit::errors::{ApiErrorKind, Error, TimeoutPhase};
use openrouter_kit::helpers::JobWait;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{
    VideoGenerationRequest, VideoGenerationResponse, VideoGenerationResponseStatus as Status,
};
use openrouter_kit::{OpenRouter, OpenRouterCore, RetryConfig, funcs};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn state(status: &str) -> Value {
    json!({"id": "job-1", "polling_url": "https://openrouter.ai/api/v1/videos/job-1", "status": status})
}

fn states(states: &[&str]) -> Script {
    Script::new(states.iter().map(|status| answer(200, &state(status).to_string())))
}

fn wait(core: &OpenRouterCore) -> JobWait<VideoGenerationResponse> {
    funcs::video_generation_get_generation(core, "job-1").until_done()
}

#[tokio::test(start_paused = true)]
async fn it_asks_at_once_and_then_after_each_pause_until_the_video_is_there() {
    let script = states(&["pending", "in_progress", "in_progress", "completed"]);
    let core = script.core();
    let video = wait(&core).poll_interval(7 * SECOND).await.unwrap();
    assert_eq!(video.status, Status::Completed);
    assert_eq!(script.waits(), [7 * SECOND; 3]);
    assert!(script.sent().iter().all(|sent| sent.url.path() == "/api/v1/videos/job-1" && sent.method == "GET"));
}

#[tokio::test(start_paused = true)]
async fn without_an_interval_it_asks_every_five_seconds() {
    let script = states(&["pending", "completed"]);
    wait(&script.core()).await.unwrap();
    assert_eq!(script.waits(), [5 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn the_pause_begins_with_the_answer() {
    let late = crate::support::response(200, &state("pending").to_string());
    let script = Script::new([Step::Late(20 * SECOND, late), answer(200, &state("completed").to_string())]);
    wait(&script.core()).poll_interval(SECOND).await.unwrap();
    assert_eq!(script.waits(), [21 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn every_state_can_be_read_as_it_comes() {
    let script = states(&["pending", "queued_somewhere", "in_progress", "failed"]);
    let core = script.core();
    let mut wait = wait(&core);
    let mut seen = Vec::new();
    while let Some(state) = wait.next().await {
        seen.push(state.unwrap().status.to_string());
    }
    assert_eq!(seen, ["pending", "queued_somewhere", "in_progress", "failed"], "the final one too, whatever it is");
    assert!(wait.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn reading_some_states_and_then_waiting_goes_on_where_it_was() {
    let script = states(&["pending", "in_progress", "completed"]);
    let core = script.core();
    let mut some = wait(&core);
    some.next().await.unwrap().unwrap();
    assert_eq!(some.await.unwrap().status, Status::Completed);
    assert_eq!(script.sent().len(), 3);

    let script = states(&["completed"]);
    let core = script.core();
    let mut all = wait(&core);
    while all.next().await.is_some() {}
    assert_eq!(all.await.unwrap().status, Status::Completed, "the final state is not asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_without_a_video_is_an_api_error() {
    let mut failed = state("failed");
    failed["error"] = json!("The prompt was refused");
    let script = Script::new([answer(200, &failed.to_string())]);
    let error = wait(&script.core()).await.unwrap_err();
    let answer = error.as_api().unwrap();
    assert_eq!(answer.message(), "The prompt was refused");
    assert_eq!(serde_json::from_slice::<Value>(answer.body()).unwrap(), failed);
    assert!(error.to_string().starts_with("getVideos: "), "{error}");
    for status in ["cancelled", "expired", "failed"] {
        let error = wait(&states(&[status]).core()).await.unwrap_err();
        assert!(error.to_string().contains(status), "{error}");
        let answer = error.as_api().unwrap();
        assert_eq!((answer.code(), answer.kind()), (Some(status), ApiErrorKind::Other), "the job ended, not a request");
        assert!(!error.is_retryable());
    }
}

#[tokio::test(start_paused = true)]
async fn a_canceled_job_is_not_a_connection_that_the_program_closed() {
    let error = wait(&states(&["cancelled"]).core()).await.unwrap_err();
    assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::Other);
    let mut failed = state("failed");
    failed["error"] = json!("Client closed request");
    let error = wait(&Script::new([answer(200, &failed.to_string())]).core()).await.unwrap_err();
    assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::ClientClosedRequest);
}

#[test]
fn four_statuses_are_final() {
    for status in Status::ALL {
        assert_eq!(status.is_final(), !matches!(status, Status::Pending | Status::InProgress), "{status}");
    }
    assert!(!Status::from("something new").is_final());
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_ends_a_pause() {
    let script = states(&["pending"; 3]);
    let core = script.core();
    let began = tokio::time::Instant::now();
    let error = wait(&core).poll_interval(4 * SECOND).time_limit(10 * SECOND).await.unwrap_err();
    let Error::Timeout(error) = error else { panic!("{error:?}") };
    assert_eq!((error.phase(), error.limit()), (TimeoutPhase::Total, Some(10 * SECOND)));
    assert_eq!(began.elapsed(), 10 * SECOND);
    assert_eq!(script.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_ends_a_request() {
    let script = Script::new([Step::Never]);
    let core = script.core();
    let mut wait = wait(&core).time_limit(10 * SECOND);
    assert!(wait.next().await.unwrap().unwrap_err().is_timeout());
    assert!(wait.next().await.is_none(), "the error ends it");
    assert!(matches!(wait.await, Err(Error::InvalidRequest(_))), "an old state is not a result");

    let script = Script::new([answer(200, &state("pending").to_string()), Step::Never]);
    let core = script.core();
    let mut wait = self::wait(&core).time_limit(10 * SECOND);
    assert_eq!(wait.next().await.unwrap().unwrap().status, Status::Pending);
    assert!(wait.next().await.unwrap().unwrap_err().is_timeout());
    assert!(matches!(wait.await, Err(Error::InvalidRequest(_))), "nor is one of a job in progress");
}

#[tokio::test(start_paused = true)]
async fn without_a_time_limit_of_its_own_it_waits_for_an_hour() {
    let script = states(&["pending"; 60]);
    let core = script.core();
    let began = tokio::time::Instant::now();
    let error = wait(&core).poll_interval(60 * SECOND).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(began.elapsed(), 3600 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn without_any_time_limit_it_waits_for_longer() {
    let statuses: Vec<_> = std::iter::repeat_n("pending", 200).chain(["completed"]).collect();
    let script = states(&statuses);
    let core = script.core();
    assert!(wait(&core).poll_interval(60 * SECOND).time_limit(None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_retried_as_the_call_allows() {
    let done = answer(200, &state("completed").to_string());
    let script = Script::new([answer(503, "{}"), Step::Fail(TransportErrorKind::Exchange), done]);
    assert!(wait(&script.core()).await.is_ok());
    assert_eq!(script.sent().len(), 3);

    let script = Script::new([answer(200, &state("pending").to_string()), answer(503, "{}")]);
    let core = script.core();
    let call = funcs::video_generation_get_generation(&core, "job-1").retry_config(RetryConfig::none());
    assert_eq!(call.until_done().await.unwrap_err().status().unwrap().as_u16(), 503);
}

#[tokio::test(start_paused = true)]
async fn every_request_has_the_options_of_the_call() {
    let script = states(&["pending", "completed"]);
    let core = script.core();
    let call = funcs::video_generation_get_generation(&core, "job-1").header("x-tenant", "blue");
    call.server_url("http://localhost/other").until_done().await.unwrap();
    for sent in script.sent() {
        assert_eq!(sent.headers["x-tenant"], "blue");
        assert_eq!(sent.url, "http://localhost/other/videos/job-1");
    }
}

#[tokio::test]
async fn what_cannot_be_waited_for_is_told_before_anything_is_sent() {
    let script = Script::new([]);
    let core = script.core();
    let request = VideoGenerationRequest::new("google/veo-3.1");
    let error = funcs::video_generation_generate(&core, request).until_done().await.unwrap_err();
    assert!(error.to_string().starts_with("createVideos: `until_done` cannot wait for a job"), "{error}");
    let error = wait(&core).poll_interval(Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().contains("`poll_interval` is zero"), "{error}");
    let error = funcs::video_generation_get_generation(&core, "").until_done().await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}");
    assert!(script.sent().is_empty());
}

#[tokio::test]
async fn a_video_is_ordered_waited_for_and_saved() {
    let server = MockServer::start().await;
    server.on("POST", "/videos", Answer::json(202, state("pending")));
    server.on("GET", "/videos/job-1", Answer::json(200, state("in_progress")));
    server.on("GET", "/videos/job-1", Answer::json(200, state("completed")));
    server.on("GET", "/videos/job-1/content", Answer::bytes(200, vec![7; 100_000]).header("content-type", "video/mp4"));
    let client = OpenRouter::builder().api_key("k").server_url(server.url()).build().unwrap();
    let job = client.video_generation().generate(VideoGenerationRequest::new("m").prompt("A storm")).await.unwrap();
    let wait = client.video_generation().get_generation(&job.id).until_done();
    let video = wait.poll_interval(Duration::from_millis(1)).await.unwrap();
    let content = client.video_generation().get_video_content(&video.id).await.unwrap();
    assert_eq!(content.media_type(), Some("video/mp4"));
    assert_eq!(content.collect().await.unwrap().len(), 100_000);
}

#[test]
fn a_wait_is_a_stream_that_can_be_sent() {
    fn check<T: Stream + IntoFuture<IntoFuture: Send> + Send + Unpin>() {}
    check::<JobWait<VideoGenerationResponse>>();
}
