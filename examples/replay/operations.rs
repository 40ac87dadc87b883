//! Which function of the crate answers a recorded exchange, and the call of it.

use bytes::Bytes;
use http::Method;
use openrouter_kit::core::wire::{self, DecodeError, Reader, Root, Sealed, Untyped, Wire, Writer};
use openrouter_kit::core::{Call, Download, EventStream, FilePart, OpenRouterCore, Operation, Parts, StreamItem};
use openrouter_kit::models::analytics::QueryAnalyticsRequest;
use openrouter_kit::models::byok::{CreateByokKeyRequest, UpdateByokKeyRequest};
use openrouter_kit::models::external_users::{CreateExternalUserRequest, UpdateExternalUserRequest};
use openrouter_kit::models::generations::SubmitGenerationFeedbackRequest;
use openrouter_kit::models::guardrails::{BulkKeysRequest, BulkMembersRequest};
use openrouter_kit::models::oauth::{CreateAuthKeysCodeRequest, TokenExchangeRequest};
use openrouter_kit::models::observability::{
    CreateObservabilityDestinationRequest, UpdateObservabilityDestinationRequest,
};
use openrouter_kit::models::organization::UpdateOrganizationSettingsRequest;
use openrouter_kit::models::private_endpoints::{
    CreatePrivateEndpointRequest, UpdatePrivateEndpointRequest, ValidatePrivateEndpointRequest,
};
use openrouter_kit::models::private_providers::{CreatePrivateProviderRequest, UpdatePrivateProviderRequest};
use openrouter_kit::models::scim::{CreateScimGroupMappingRequest, UpdateScimGroupMappingRequest};
use openrouter_kit::models::system_one::DecisionsRequest;
use openrouter_kit::models::vault::{VaultSecretCopyRequest, VaultSecretWriteRequest};
use openrouter_kit::models::workspaces::{BulkWorkspaceMembersRequest, UpsertWorkspaceBudgetRequest};
use openrouter_kit::models::*;
use openrouter_kit::{Error, funcs};

use super::recording::Recording;

/// What a call gave.
pub enum Outcome {
    /// A value, or the error in place of it.
    Value(Result<Decoded, Error>),
    /// Bytes, for operations that answer with a file.
    Bytes(Result<Bytes, Error>),
    /// The items of a stream in their order, errors included; or the error in place of the stream.
    Stream(Result<Vec<Result<Decoded, Error>>, Error>),
}

/// What was decoded, written as JSON again.
pub struct Decoded {
    pub json: String,
    /// The parts that fit no type.
    pub untyped: Vec<Untyped>,
}

impl Decoded {
    fn of<T: Wire>(value: &T) -> Self {
        let json = match wire::encode(value) {
            Ok(json) => String::from_utf8_lossy(&json).into_owned(),
            Err(error) => format!("cannot be written: {error}"),
        };
        Self { json, untyped: wire::untyped(value) }
    }
}

async fn value<T: Root, P>(call: Call<T, P>) -> Outcome {
    Outcome::Value(call.await.map(|value| Decoded::of(&value)))
}

async fn bytes<P>(call: Call<Download, P>) -> Outcome {
    Outcome::Bytes(match call.await {
        Ok(download) => download.collect().await,
        Err(error) => Err(error),
    })
}

async fn stream<T: StreamItem, P>(call: Call<EventStream<T>, P>) -> Outcome {
    Outcome::Stream(match call.await {
        Ok(mut stream) => {
            let mut items = Vec::new();
            while let Some(item) = stream.next().await {
                items.push(item.map(|event| Decoded::of(&event)));
            }
            Ok(items)
        }
        Err(error) => Err(error),
    })
}

/// The request of the recording as the model of the operation; an empty one where it was not recorded.
fn request<T: Wire>(recording: &Recording) -> T {
    let recorded = recording.request.as_ref().and_then(|request| wire::decode_event(request.as_text()).ok());
    recorded.unwrap_or_else(T::missing)
}

/// Calls the operation that the recording is of; `None` where the crate has no such operation.
pub async fn call(core: &OpenRouterCore, recording: &Recording) -> Option<Outcome> {
    Some(match (recording.api.as_str(), recording.asks_for_stream()) {
        ("chat", true) => stream(funcs::chat_stream(core, request::<ChatRequest>(recording))).await,
        ("chat", false) => value(funcs::chat_send(core, request::<ChatRequest>(recording))).await,
        ("responses", true) => stream(funcs::responses_stream(core, request::<ResponsesRequest>(recording))).await,
        ("responses", false) => value(funcs::responses_send(core, request::<ResponsesRequest>(recording))).await,
        ("messages", true) => stream(funcs::messages_stream(core, request::<MessagesRequest>(recording))).await,
        ("messages", false) => value(funcs::messages_create(core, request::<MessagesRequest>(recording))).await,
        ("images", true) => stream(funcs::images_stream(core, request::<ImageGenerationRequest>(recording))).await,
        ("images", false) if is_post(recording) => {
            value(funcs::images_generate(core, request::<ImageGenerationRequest>(recording))).await
        }
        ("embeddings", false) if is_post(recording) => {
            value(funcs::embeddings_generate(core, request::<CreateEmbeddingsRequest>(recording))).await
        }
        ("rerank", false) => value(funcs::rerank_rerank(core, request::<CreateRerankRequest>(recording))).await,
        ("audio", false) if recording.path.contains("speech") => {
            bytes(funcs::tts_create_speech(core, request::<SpeechRequest>(recording))).await
        }
        ("audio", false) => value(funcs::stt_create_transcription(core, request::<SttRequest>(recording))).await,
        ("models", false) if recording.path.is_empty() => value(funcs::models_list(core)).await,
        ("generation", false) if recording.path.is_empty() => {
            value(funcs::generations_get_generation(core, "gen")).await
        }
        (_, false) => return by_path(core, recording).await,
        (_, true) => return None,
    })
}

fn is_post(recording: &Recording) -> bool {
    recording.method.eq_ignore_ascii_case("POST")
}

/// Calls the operation that has the method and the path of the recording.
async fn by_path(core: &OpenRouterCore, recording: &Recording) -> Option<Outcome> {
    let (path, query) = recording.path.split_once('?').unwrap_or((&recording.path, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let method = recording.method.to_ascii_uppercase();
    // Everything before the path of the operation is the address of the server.
    for start in 0..segments.len() {
        if let Some(outcome) = at(core, recording, (method.as_str(), segments.get(start..)?), query).await {
            return Some(outcome);
        }
    }
    None
}

async fn at(core: &OpenRouterCore, recording: &Recording, operation: (&str, &[&str]), query: &str) -> Option<Outcome> {
    let parameter = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, value)| *key == name && !value.is_empty()).map_or("unknown", |(_, value)| value)
    };
    /// A call whose last argument is the recorded request.
    macro_rules! send {
        ($request:ty, $function:ident $(, $argument:expr)*) => {
            value(funcs::$function(core, $($argument,)* request::<$request>(recording))).await
        };
    }
    /// A call without a body.
    macro_rules! get {
        ($function:ident $(, $argument:expr)*) => { value(funcs::$function(core, $($argument),*)).await };
    }
    Some(match operation {
        ("GET", ["activity"]) => get!(analytics_get_user_activity),
        ("GET", ["analytics", "meta"]) => get!(analytics_get_analytics_meta),
        ("POST", ["analytics", "query"]) => send!(QueryAnalyticsRequest, analytics_query_analytics),
        ("POST", ["api", "alpha", "decisions"]) => send!(DecisionsRequest, alpha_decisions_create),
        ("GET", ["batches"]) => get!(batch_list),
        ("POST", ["batches"]) => send!(CreateBatchRequest, batch_create_batches),
        ("GET", ["batches", id]) => get!(batch_get_batches, id),
        ("DELETE", ["batches", id]) => get!(batch_delete, id),
        ("GET", ["containers", id, "files"]) => get!(containers_list_container_files, id),
        ("GET", ["containers", id, "files", file]) => get!(containers_get_container_file, id, file),
        ("GET", ["containers", id, "files", file, "content"]) => {
            bytes(funcs::containers_download_container_file_content(core, id, file)).await
        }
        ("POST", ["containers", id, "files", file, "promote"]) => get!(containers_promote_container_file, id, file),
        ("GET", ["external-users"]) => get!(external_users_list),
        ("POST", ["external-users"]) => send!(CreateExternalUserRequest, external_users_create),
        ("GET", ["external-users", user]) => get!(external_users_get, user),
        ("PATCH", ["external-users", user]) => send!(UpdateExternalUserRequest, external_users_update, user),
        ("GET", ["key"]) => get!(api_keys_get_current_key_metadata),
        ("GET", ["keys"]) => get!(api_keys_list),
        ("POST", ["keys"]) => send!(CreateKeyRequest, api_keys_create),
        ("GET", ["keys", hash]) => get!(api_keys_get, hash),
        ("DELETE", ["keys", hash]) => get!(api_keys_delete, hash),
        ("PATCH", ["keys", hash]) => send!(UpdateKeyRequest, api_keys_update, hash),
        ("GET", ["benchmarks"]) => get!(benchmarks_get_benchmarks),
        ("GET", ["byok"]) => get!(byok_list),
        ("POST", ["byok"]) => send!(CreateByokKeyRequest, byok_create),
        ("GET", ["byok", id]) => get!(byok_get, id),
        ("DELETE", ["byok", id]) => get!(byok_delete, id),
        ("PATCH", ["byok", id]) => send!(UpdateByokKeyRequest, byok_update, id),
        ("GET", ["classifications", "task"]) => get!(classifications_get_task_classifications),
        ("GET", ["credits"]) => get!(credits_get_credits),
        ("GET", ["datasets", "app-rankings"]) => get!(datasets_get_app_rankings),
        ("GET", ["datasets", "rankings-daily"]) => get!(datasets_get_rankings_daily),
        ("GET", ["datasets", "session-cost"]) => get!(datasets_get_session_cost),
        ("GET", ["embeddings", "models"]) => get!(embeddings_list_models),
        ("GET", ["endpoints", "zdr"]) => get!(endpoints_list_zdr_endpoints),
        ("GET", ["models", author, slug, "endpoints"]) => get!(endpoints_list, author, slug),
        ("GET", ["files"]) => get!(files_list),
        ("POST", ["files"]) => {
            let file = UploadFileRequest::new(FilePart::from_bytes("file", Bytes::new()));
            value(funcs::files_upload(core, file)).await
        }
        ("GET", ["files", id, "content"]) => bytes(funcs::files_download(core, id)).await,
        ("GET", ["files", id]) => get!(files_retrieve, id),
        ("DELETE", ["files", id]) => get!(files_delete, id),
        ("GET", ["generation"]) => get!(generations_get_generation, parameter("id")),
        ("GET", ["generation", "content"]) => get!(generations_list_generation_content, parameter("id")),
        ("POST", ["generation", "feedback"]) => send!(SubmitGenerationFeedbackRequest, generations_submit_feedback),
        ("GET", ["guardrails"]) => get!(guardrails_list),
        ("POST", ["guardrails"]) => send!(CreateGuardrailRequest, guardrails_create),
        ("GET", ["guardrails", "assignments", "keys"]) => get!(guardrails_list_key_assignments),
        ("GET", ["guardrails", "assignments", "members"]) => {
            get!(guardrails_list_member_assignments)
        }
        ("GET", ["guardrails", id]) => get!(guardrails_get, id),
        ("DELETE", ["guardrails", id]) => get!(guardrails_delete, id),
        ("PATCH", ["guardrails", id]) => send!(UpdateGuardrailRequest, guardrails_update, id),
        ("GET", ["guardrails", id, "assignments", "keys"]) => {
            get!(guardrails_list_guardrail_key_assignments, id)
        }
        ("POST", ["guardrails", id, "assignments", "keys"]) => {
            send!(BulkKeysRequest, guardrails_bulk_assign_keys, id)
        }
        ("POST", ["guardrails", id, "assignments", "keys", "remove"]) => {
            send!(BulkKeysRequest, guardrails_bulk_unassign_keys, id)
        }
        ("GET", ["guardrails", id, "assignments", "members"]) => {
            get!(guardrails_list_guardrail_member_assignments, id)
        }
        ("POST", ["guardrails", id, "assignments", "members"]) => {
            send!(BulkMembersRequest, guardrails_bulk_assign_members, id)
        }
        ("POST", ["guardrails", id, "assignments", "members", "remove"]) => {
            send!(BulkMembersRequest, guardrails_bulk_unassign_members, id)
        }
        ("POST", ["images"]) => send!(ImageGenerationRequest, images_generate),
        ("GET", ["images", "models"]) => get!(images_list_models),
        ("GET", ["images", "models", author, slug, "endpoints"]) => get!(images_list_model_endpoints, author, slug),
        ("GET", ["model", author, slug]) => get!(models_get, author, slug),
        ("GET", ["models"]) => get!(models_list),
        ("GET", ["models", "count"]) => get!(models_count),
        ("GET", ["models", "user"]) => get!(models_list_for_user),
        ("POST", ["auth", "keys"]) => send!(ExchangeAuthCodeForApiKeyRequest, oauth_exchange_auth_code_for_api_key),
        ("POST", ["auth", "keys", "code"]) => send!(CreateAuthKeysCodeRequest, oauth_create_auth_code),
        ("GET", ["oauth", "jwks"]) => get!(oauth_list_oauth_jwks),
        ("POST", ["oauth", "token"]) => send!(TokenExchangeRequest, oauth_create_oauth_token),
        ("GET", ["observability", "destinations"]) => get!(observability_list),
        ("POST", ["observability", "destinations"]) => {
            send!(CreateObservabilityDestinationRequest, observability_create)
        }
        ("GET", ["observability", "destinations", id]) => get!(observability_get, id),
        ("DELETE", ["observability", "destinations", id]) => get!(observability_delete, id),
        ("PATCH", ["observability", "destinations", id]) => {
            send!(UpdateObservabilityDestinationRequest, observability_update, id)
        }
        ("GET", ["organization", "members"]) => get!(organization_list_members),
        ("GET", ["organization", "settings"]) => get!(organization_get_settings),
        ("PATCH", ["organization", "settings"]) => {
            send!(UpdateOrganizationSettingsRequest, organization_update_settings)
        }
        ("GET", ["presets"]) => get!(presets_list),
        ("GET", ["presets", slug]) => get!(presets_get, slug),
        ("POST", ["presets", slug, "chat", "completions"]) => {
            send!(ChatRequest, presets_create_presets_chat_completions, slug)
        }
        ("POST", ["presets", slug, "messages"]) => send!(MessagesRequest, presets_create_presets_messages, slug),
        ("POST", ["presets", slug, "responses"]) => send!(ResponsesRequest, presets_create_presets_responses, slug),
        ("GET", ["presets", slug, "versions"]) => get!(presets_list_versions, slug),
        ("GET", ["presets", slug, "versions", version]) => get!(presets_get_version, slug, version),
        ("GET", ["private-endpoints"]) => get!(private_endpoints_list),
        ("POST", ["private-endpoints"]) => {
            value(funcs::private_endpoints_create(core, request::<CreatePrivateEndpointRequest>(recording), None)).await
        }
        ("GET", ["private-endpoints", id]) => get!(private_endpoints_get, id),
        ("DELETE", ["private-endpoints", id]) => get!(private_endpoints_delete, id),
        ("PATCH", ["private-endpoints", id]) => send!(UpdatePrivateEndpointRequest, private_endpoints_update, id),
        ("POST", ["private-endpoints", id, "activate"]) => get!(private_endpoints_activate, id),
        ("POST", ["private-endpoints", id, "disable"]) => get!(private_endpoints_disable, id),
        ("POST", ["private-endpoints", id, "enable"]) => get!(private_endpoints_enable, id),
        ("POST", ["private-endpoints", id, "validate"]) => {
            send!(ValidatePrivateEndpointRequest, private_endpoints_validate, id)
        }
        ("GET", ["private-providers"]) => get!(private_providers_list),
        ("POST", ["private-providers"]) => send!(CreatePrivateProviderRequest, private_providers_create),
        ("GET", ["private-providers", slug]) => get!(private_providers_get, slug),
        ("DELETE", ["private-providers", slug]) => get!(private_providers_delete, slug),
        ("PATCH", ["private-providers", slug]) => send!(UpdatePrivateProviderRequest, private_providers_update, slug),
        ("GET", ["providers"]) => get!(providers_list),
        ("GET", ["scim", "group-mappings"]) => get!(scim_list_mappings),
        ("POST", ["scim", "group-mappings"]) => send!(CreateScimGroupMappingRequest, scim_create),
        ("GET", ["scim", "group-mappings", id]) => get!(scim_read, id),
        ("DELETE", ["scim", "group-mappings", id]) => get!(scim_delete, id, false),
        ("PATCH", ["scim", "group-mappings", id]) => send!(UpdateScimGroupMappingRequest, scim_update, id),
        ("GET", ["scim", "groups"]) => get!(scim_list_groups),
        ("POST", ["scim", "sync-jobs"]) => get!(scim_create_sync_job),
        ("GET", ["scim", "sync-jobs", id]) => get!(scim_get_sync_job, id),
        ("POST", ["systemone"]) => send!(DecisionsRequest, system_one_create),
        ("GET", ["tools"]) => get!(tools_list_tools),
        ("GET", ["tools", name]) => get!(tools_get_tool, name),
        ("GET", ["vault", "secrets"]) => get!(vault_list_vault_secrets),
        ("PUT", ["vault", "secrets", name]) => send!(VaultSecretWriteRequest, vault_store_vault_secret, name),
        ("GET", ["vault", "interns", id, "connections"]) => get!(vault_list_intern_connections, id),
        ("GET", ["vault", "interns", id, "effective-secrets"]) => {
            get!(vault_list_intern_effective_vault_secrets, id)
        }
        ("GET", ["vault", "interns", id, "secrets"]) => {
            get!(vault_list_intern_vault_secrets, id)
        }
        ("POST", ["vault", "interns", id, "secrets", "copy"]) => {
            send!(VaultSecretCopyRequest, vault_copy_vault_secrets_to_intern, id)
        }
        ("PUT", ["vault", "interns", id, "secrets", name]) => {
            send!(VaultSecretWriteRequest, vault_store_intern_vault_secret, id, name)
        }
        ("POST", ["videos"]) => send!(VideoGenerationRequest, video_generation_generate),
        ("GET", ["videos", "models"]) => get!(video_generation_list_videos_models),
        ("GET", ["videos", job]) => get!(video_generation_get_generation, job),
        ("GET", ["videos", job, "content"]) => bytes(funcs::video_generation_get_video_content(core, job)).await,
        ("GET", ["workspaces"]) => get!(workspaces_list),
        ("POST", ["workspaces"]) => send!(CreateWorkspaceRequest, workspaces_create),
        ("GET", ["workspaces", id]) => get!(workspaces_get, id),
        ("DELETE", ["workspaces", id]) => get!(workspaces_delete, id),
        ("PATCH", ["workspaces", id]) => send!(UpdateWorkspaceRequest, workspaces_update, id),
        ("GET", ["workspaces", id, "budgets"]) => get!(workspaces_list_budgets, id),
        ("GET", ["workspaces", id, "budgets", interval]) => get!(workspaces_get_budget, id, *interval),
        ("DELETE", ["workspaces", id, "budgets", interval]) => get!(workspaces_delete_budget, id, *interval),
        ("PUT", ["workspaces", id, "budgets", interval]) => {
            send!(UpsertWorkspaceBudgetRequest, workspaces_set_budget, id, *interval)
        }
        ("GET", ["workspaces", id, "members"]) => get!(workspaces_list_members, id),
        ("POST", ["workspaces", id, "members", "add"]) => {
            send!(BulkWorkspaceMembersRequest, workspaces_bulk_add_members, id)
        }
        ("POST", ["workspaces", id, "members", "remove"]) => {
            send!(BulkWorkspaceMembersRequest, workspaces_bulk_remove_members, id)
        }
        _ => return None,
    })
}

/// What has no operation in the crate, as a program of its own would call it: any JSON, or events of any JSON.
pub async fn call_any(core: &OpenRouterCore, recording: &Recording) -> Outcome {
    static ANY: Operation = Operation::new("any", Method::POST, "/any");
    let parts = Parts::new(&ANY).json(&recording.request.clone().unwrap_or_default());
    if recording.is_stream() {
        return stream(Call::<EventStream<Any>>::new(core, parts)).await;
    }
    let is_json = super::expected::json(recording.body_text()).is_some();
    if is_json || recording.status >= 300 {
        return value(Call::<Any>::new(core, parts)).await;
    }
    bytes(Call::new(core, parts)).await
}

/// Any JSON, all of it untyped.
#[derive(Clone, Debug, PartialEq)]
struct Any(Unrecognized);

impl Sealed for Any {}

impl Wire for Any {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.read(reader)
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn missing() -> Self {
        Self(Unrecognized::missing())
    }

    fn is_missing(&self) -> bool {
        *self == Self::missing()
    }
}

impl Root for Any {
    fn reports_error(&self) -> bool {
        super::expected::is_error_body("", &self.0.json().to_value())
    }
}

impl StreamItem for Any {
    const END_IS_MARKED: bool = false;

    fn is_terminal(&self) -> bool {
        false
    }

    fn reports_error(&self) -> bool {
        false
    }
}
