//! The calls through this crate.

use openrouter_kit::core::{FilePart, StreamItem};
use openrouter_kit::models::*;
use openrouter_kit::models::analytics::QueryAnalyticsRequest;
use openrouter_kit::models::byok::CreateByokKeyRequest;
use openrouter_kit::models::generations::SubmitGenerationFeedbackRequest;
use openrouter_kit::models::guardrails::{BulkKeysRequest, GuardrailKeyAssignmentsParams};
use openrouter_kit::models::workspaces::{
    BulkWorkspaceMembersRequest, UpsertWorkspaceBudgetRequest, WorkspaceBudgetInterval,
};
use openrouter_kit::{Call, Error, EventStream, OpenRouterCore, funcs};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Case;

/// Makes the parameters of an operation from those of the case.
macro_rules! params {
    ($type:ident, $values:expr, $($field:ident),*) => {{
        let mut params = $type::new();
        $(params.$field = read($values.get(stringify!($field)));)*
        params
    }};
}

/// Reads a value of the table; one that is absent reads as null.
fn read<T: DeserializeOwned>(value: Option<&Value>) -> T {
    serde_json::from_value(value.cloned().unwrap_or_default()).expect("a value of cases.json")
}

/// What came out, in the words of all clients.
pub(crate) async fn run(core: &OpenRouterCore, case: &Case) -> String {
    let mut events = 0;
    let result = if case.body.as_ref().is_some_and(|body| body["stream"] == true) {
        stream(core, case, &mut events).await
    } else {
        whole(core, case).await
    };
    let outcome = match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => match error.status() {
            Some(status) => format!("error with status {}", status.as_u16()),
            None => "error without status".to_owned(),
        },
    };
    if events > 0 { format!("{outcome} after {events} events") } else { outcome }
}

async fn stream(core: &OpenRouterCore, case: &Case, events: &mut usize) -> Result<(), Error> {
    let body = case.body.as_ref();
    match case.operation.as_str() {
        "chat.send" => count(funcs::chat_stream(core, read::<ChatRequest>(body)), events).await,
        "images.generate" => count(funcs::images_stream(core, read::<ImageGenerationRequest>(body)), events).await,
        "responses.send" => count(funcs::responses_stream(core, read::<ResponsesRequest>(body)), events).await,
        other => panic!("ours.rs has no stream of {other}"),
    }
}

async fn count<T: StreamItem>(call: Call<EventStream<T>>, events: &mut usize) -> Result<(), Error> {
    let mut stream = call.await?;
    while let Some(event) = stream.next().await {
        event?;
        *events += 1;
    }
    Ok(())
}

async fn whole(core: &OpenRouterCore, case: &Case) -> Result<(), Error> {
    let body = case.body.as_ref();
    let values = &case.parameters;
    let text = |name: &str| read::<String>(values.get(name));
    match case.operation.as_str() {
        "analytics.get_analytics_meta" => drop(funcs::analytics_get_analytics_meta(core).await?),
        "analytics.query_analytics" => {
            drop(funcs::analytics_query_analytics(core, read::<QueryAnalyticsRequest>(body)).await?)
        }
        "api_keys.create" => drop(funcs::api_keys_create(core, read::<CreateKeyRequest>(body)).await?),
        "api_keys.delete" => drop(funcs::api_keys_delete(core, text("hash")).await?),
        "api_keys.get" => drop(funcs::api_keys_get(core, text("hash")).await?),
        "api_keys.get_current_key_metadata" => drop(funcs::api_keys_get_current_key_metadata(core).await?),
        "api_keys.list" => {
            let params = params!(ApiKeysListParams, values, include_disabled, include_expired, offset, workspace_id);
            drop(funcs::api_keys_list(core).params(params).await?);
        }
        "api_keys.update" => drop(funcs::api_keys_update(core, text("hash"), read::<UpdateKeyRequest>(body)).await?),
        "byok.create" => drop(funcs::byok_create(core, read::<CreateByokKeyRequest>(body)).await?),
        "byok.list" => {
            let params = params!(ByokListParams, values, offset, limit, workspace_id, provider);
            drop(funcs::byok_list(core).params(params).await?);
        }
        "chat.send" => drop(funcs::chat_send(core, read::<ChatRequest>(body)).await?),
        "credits.get_credits" => drop(funcs::credits_get_credits(core).await?),
        "embeddings.generate" => drop(funcs::embeddings_generate(core, read::<CreateEmbeddingsRequest>(body)).await?),
        "embeddings.list_models" => {
            let params = params!(EmbeddingsListModelsParams, values, offset, limit);
            drop(funcs::embeddings_list_models(core).params(params).await?);
        }
        "endpoints.list" => drop(funcs::endpoints_list(core, text("author"), text("slug")).await?),
        "endpoints.list_zdr_endpoints" => drop(funcs::endpoints_list_zdr_endpoints(core).await?),
        "files.delete" => {
            let params = params!(FilesDeleteParams, values, workspace_id, provider);
            drop(funcs::files_delete(core, text("file_id")).params(params).await?);
        }
        "files.download" => {
            let params = params!(FilesDownloadParams, values, workspace_id, provider);
            drop(funcs::files_download(core, text("file_id")).params(params).await?);
        }
        "files.list" => {
            let params = params!(FilesListParams, values, limit, cursor, workspace_id, provider, order);
            drop(funcs::files_list(core).params(params).await?);
        }
        "files.upload" => {
            let file = body.map(|body| &body["file"]);
            let file = |name| read::<String>(file.map(|file| &file[name]));
            let request = UploadFileRequest::new(FilePart::from_bytes(file("file_name"), file("content")));
            let params = params!(FilesUploadParams, values, workspace_id, provider);
            drop(funcs::files_upload(core, request).params(params).await?);
        }
        "generations.get_generation" => drop(funcs::generations_get_generation(core, text("id")).await?),
        "generations.submit_feedback" => {
            drop(funcs::generations_submit_feedback(core, read::<SubmitGenerationFeedbackRequest>(body)).await?)
        }
        "guardrails.bulk_assign_keys" => {
            drop(funcs::guardrails_bulk_assign_keys(core, text("id"), read::<BulkKeysRequest>(body)).await?);
        }
        "guardrails.create" => drop(funcs::guardrails_create(core, read::<CreateGuardrailRequest>(body)).await?),
        "guardrails.delete" => drop(funcs::guardrails_delete(core, text("id")).await?),
        "guardrails.list" => {
            let params = params!(GuardrailsListParams, values, offset, limit, workspace_id);
            drop(funcs::guardrails_list(core).params(params).await?);
        }
        "guardrails.list_guardrail_key_assignments" => {
            let params = params!(GuardrailKeyAssignmentsParams, values, offset, limit);
            drop(funcs::guardrails_list_guardrail_key_assignments(core, text("id")).params(params).await?);
        }
        "guardrails.update" => {
            drop(funcs::guardrails_update(core, text("id"), read::<UpdateGuardrailRequest>(body)).await?)
        }
        "images.generate" => drop(funcs::images_generate(core, read::<ImageGenerationRequest>(body)).await?),
        "images.list_model_endpoints" => {
            drop(funcs::images_list_model_endpoints(core, text("author"), text("slug")).await?);
        }
        "models.count" => {
            drop(funcs::models_count(core).params(params!(ModelsCountParams, values, output_modalities)).await?);
        }
        "models.get" => drop(funcs::models_get(core, text("author"), text("slug")).await?),
        "models.list" => {
            let params = params!(
                ModelsListParams,
                values,
                offset,
                limit,
                category,
                supported_parameters,
                sort,
                q,
                context,
                max_price,
                region,
                zdr,
                min_tool_success_rate
            );
            drop(funcs::models_list(core).params(params).await?);
        }
        "presets.create_presets_chat_completions" => {
            drop(funcs::presets_create_presets_chat_completions(core, text("slug"), read::<ChatRequest>(body)).await?);
        }
        "presets.create_presets_messages" => {
            drop(funcs::presets_create_presets_messages(core, text("slug"), read::<MessagesRequest>(body)).await?);
        }
        "providers.list" => drop(funcs::providers_list(core).await?),
        "rerank.rerank" => drop(funcs::rerank_rerank(core, read::<CreateRerankRequest>(body)).await?),
        "responses.send" => drop(funcs::responses_send(core, read::<ResponsesRequest>(body)).await?),
        "stt.create_transcription" => drop(funcs::stt_create_transcription(core, read::<SttRequest>(body)).await?),
        "tts.create_speech" => drop(funcs::tts_create_speech(core, read::<SpeechRequest>(body)).await?),
        "video_generation.generate" => {
            drop(funcs::video_generation_generate(core, read::<VideoGenerationRequest>(body)).await?)
        }
        "workspaces.bulk_add_members" => {
            drop(
                funcs::workspaces_bulk_add_members(core, text("id"), read::<BulkWorkspaceMembersRequest>(body))
                    .await?,
            );
        }
        "workspaces.create" => drop(funcs::workspaces_create(core, read::<CreateWorkspaceRequest>(body)).await?),
        "workspaces.delete" => {
            let params = params!(WorkspacesDeleteParams, values, confirm_default_workspace_deletion);
            drop(funcs::workspaces_delete(core, text("id")).params(params).await?);
        }
        "workspaces.list_members" => {
            let params = params!(WorkspacesListMembersParams, values, offset, limit);
            drop(funcs::workspaces_list_members(core, text("id")).params(params).await?);
        }
        "workspaces.set_budget" => {
            let interval: WorkspaceBudgetInterval = read(values.get("interval"));
            drop(
                funcs::workspaces_set_budget(
                    core,
                    text("workspace_ref"),
                    interval,
                    read::<UpsertWorkspaceBudgetRequest>(body),
                )
                .await?,
            );
        }
        "workspaces.update" => {
            drop(funcs::workspaces_update(core, text("id"), read::<UpdateWorkspaceRequest>(body)).await?)
        }
        other => panic!("ours.rs has no {other}"),
    }
    Ok(())
}
