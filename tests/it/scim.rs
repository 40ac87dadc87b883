//! Waiting for a directory sync.

use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{Script, answer};
use openrouter_kit::funcs;
use openrouter_kit::helpers::JobWait;
use openrouter_kit::models::scim::{ScimSyncJobResponse, ScimSyncJobStatus as Status};
use serde_json::{Value, json};

fn state(status: &str) -> Value {
    json!({"data": {
        "id": "5ff6ef60-9f2b-4a5c-8e0f-3a5c8d3a8a11", "status": status, "created_at": "2026-10-30T08:00:00Z",
        "started_at": null, "finished_at": null, "deleted_groups": null, "synced_groups": null, "error_message": null
    }})
}

fn wait(script: &Script) -> JobWait<ScimSyncJobResponse> {
    funcs::scim_get_sync_job(&script.core(), "job-1").until_done()
}

#[tokio::test(start_paused = true)]
async fn a_sync_is_asked_for_every_five_seconds_until_it_succeeds() {
    let states = ["queued", "running", "tidying", "succeeded"];
    let script = Script::new(states.map(|status| answer(200, &state(status).to_string())));
    assert_eq!(wait(&script).await.unwrap().data.status, Status::Succeeded);
    assert_eq!(script.waits(), [Duration::from_secs(5); 3]);
    assert!(script.sent().iter().all(|sent| sent.url.path() == "/api/v1/scim/sync-jobs/job-1"));
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_fails_is_an_api_error_with_the_state_as_body() {
    let mut failed = state("failed");
    failed["data"]["error_message"] = json!("The directory is not reachable");
    let script = Script::new([answer(200, &failed.to_string())]);
    let error = wait(&script).await.unwrap_err();
    let response = error.as_api().unwrap();
    assert_eq!((response.message(), response.code()), ("The directory is not reachable", Some("failed")));
    assert_eq!(serde_json::from_slice::<Value>(response.body()).unwrap(), failed);
    assert!(error.to_string().starts_with("getScimSyncJob: the server responded with an error (failed): "), "{error}");
}

#[test]
fn two_statuses_of_a_sync_are_final() {
    for status in Status::ALL {
        assert_eq!(status.is_final(), matches!(status, Status::Succeeded | Status::Failed), "{status}");
    }
    assert!(!Status::from("something new").is_final());
}

#[tokio::test]
async fn the_call_that_starts_a_sync_cannot_be_waited_on() {
    let script = Script::new([]);
    let error = funcs::scim_create_sync_job(&script.core()).until_done().await.unwrap_err();
    assert!(error.to_string().starts_with("createScimSyncJob: `until_done` cannot wait for a job"), "{error}");
    assert!(error.to_string().contains("scim().get_sync_job"), "{error}");
}
