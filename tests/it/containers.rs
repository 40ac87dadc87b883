//! Files of containers: uploaded into one, found in a response, and saved under safe names.

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::containers::ContainerFile;
use openrouter_kit::models::server_tools::{BashServerTool, BashServerToolConfig, ContainerAutoEnvironment};
use openrouter_kit::models::{FilePart, MessagesResult, ResponsesRequest, ResponsesResult};
use serde_json::{Value, json};

use crate::a_limit::tokio;

fn container_file(path: &str) -> Value {
    json!({
        "id": "cfile-1", "object": "container.file", "container_id": "c-1", "path": path, "bytes": 3, "created_at": 1,
        "source": "assistant"
    })
}

fn citation(name: &str) -> Value {
    json!({
        "type": "container_file_citation", "container_id": "c-1", "file_id": "cfile-1", "filename": name,
        "start_index": 0, "end_index": 0
    })
}

fn response() -> Value {
    json!({
        "id": "resp-1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "error": null,
        "output": [
            {"type": "openrouter:bash", "status": "completed", "files": [citation("a.csv"), citation("b.csv")]},
            {"type": "openrouter:bash", "status": "completed"},
            {"type": "openrouter:shell", "status": "completed", "files": [citation("../c.csv")]},
            {"type": "shell_call_output", "id": "o", "call_id": "c", "status": "completed", "output": [],
                "files": [citation("d.csv")]}
        ]
    })
}

#[test]
fn a_file_is_saved_under_the_last_name_of_its_path() {
    for (path, name) in [
        ("report.csv", Some("report.csv")),
        ("/home/user/report.csv", Some("report.csv")),
        ("../../etc/passwd", Some("passwd")),
        ("C:\\data\\report.csv", Some("report.csv")),
        (".profile", Some(".profile")),
        ("", None),
        ("data/", None),
        ("data/..", None),
        (".", None),
        ("a\0b", None),
        ("C:report.csv", None),
    ] {
        let file: ContainerFile = serde_json::from_value(container_file(path)).unwrap();
        assert_eq!(file.file_name(), name, "{path:?}");
    }
}

#[test]
fn the_files_of_all_commands_of_a_response_are_listed() {
    let result: ResponsesResult = serde_json::from_value(response()).unwrap();
    let names: Vec<_> = result.output_files().iter().map(|file| file.file_name().unwrap()).collect();
    assert_eq!(names, ["a.csv", "b.csv", "c.csv", "d.csv"]);

    let message = json!({
        "id": "msg-1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}, "content": [
            {"type": "openrouter_bash_tool_result", "tool_use_id": "t", "content": {}, "files": [citation("a.csv")]},
            {"type": "openrouter_shell_tool_result", "tool_use_id": "t", "content": {}, "files": [citation("b.csv")]}
        ]
    });
    let result: MessagesResult = serde_json::from_value(message).unwrap();
    assert_eq!(result.output_files().iter().map(|file| &*file.filename).collect::<Vec<_>>(), ["a.csv", "b.csv"]);
}

#[tokio::test]
async fn a_file_goes_into_a_container_and_what_it_made_comes_out() {
    let server = MockServer::start().await;
    let stored = json!({
        "_shape": "openrouter", "id": "or_file_1", "filename": "sales.csv", "mime_type": "text/csv", "size_bytes": 3,
        "created_at": "2026-10-30T08:00:00Z", "type": "file", "downloadable": true
    });
    server.on("POST", "/files", Answer::json(200, stored));
    server.on("POST", "/responses", Answer::json(200, response()));
    let content = Answer::bytes(200, "1,2").header("content-type", "application/octet-stream").always();
    server.on("GET", "/containers/c-1/files/cfile-1/content", content);
    let folder = std::env::temp_dir().join(format!("openrouter-kit-containers-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("results")).unwrap();
    let path = folder.join("sales.csv");
    std::fs::write(&path, "1,2").unwrap();

    let client = server.client();
    let file = client.files().upload(FilePart::from_path(path)).await.unwrap();
    let environment = ContainerAutoEnvironment::new().file_ids(file.id().unwrap());
    let bash = BashServerTool::new().parameters(BashServerToolConfig::new().environment(environment));
    let request = ResponsesRequest::new().model("m").input("Sum up the file.").tools(bash);
    let result = client.responses().send(request).await.unwrap();
    for file in result.output_files() {
        let name = file.file_name().unwrap();
        let content = client.containers().download_container_file_content(&file.container_id, &file.file_id);
        content.await.unwrap().save_to(folder.join("results").join(name)).await.unwrap();
    }

    let tool = &server.requests()[1].json()["tools"][0];
    assert_eq!(tool["parameters"]["environment"]["file_ids"][0], "or_file_1");
    let mut names: Vec<_> =
        std::fs::read_dir(folder.join("results")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.csv", "b.csv", "c.csv", "d.csv"]);
    assert_eq!(std::fs::read_to_string(folder.join("results/c.csv")).unwrap(), "1,2");
    std::fs::remove_dir_all(folder).unwrap();
}
