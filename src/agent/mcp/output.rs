//! The result of a call, as the model gets it.

use serde_json::Value;

use super::error::McpError;
use crate::agent::output::{ToolError, ToolOutput};
use crate::models::ImageDetail;
use crate::models::responses::{InputFile, InputImage, InputText, ToolCallOutputPart};

/// Reads a result of `tools/call`: an output, or what the tool reported as its error.
pub(super) fn read_result(result: &Value) -> Result<ToolOutput, ToolError> {
    let text = |name| result.get(name).and_then(Value::as_str);
    if let Some(kind) = text("resultType").filter(|kind| *kind != "complete") {
        return Err(McpError::unexpected(format!("the result is of the type {kind:?}, which is not supported")).into());
    }
    if !result.is_object() {
        return Err(McpError::unexpected("the result is not an object").into());
    }
    let mut parts = Vec::new();
    for block in result.get("content").and_then(Value::as_array).into_iter().flatten() {
        add_block(block, &mut parts);
    }
    if let Some(structured) = result.get("structuredContent")
        && !parts.iter().any(|part| is_json(part, structured))
    {
        parts.push(InputText::new(structured.to_string()).into());
    }
    if result.get("isError") == Some(&Value::Bool(true)) {
        let text = parts.iter().map(text_of).collect::<Vec<_>>().join("\n");
        let text = if text.is_empty() { "The tool failed.".to_owned() } else { text };
        return Err(ToolError::new(McpError::tool(text.clone())).tell_model(text));
    }
    Ok(match parts.as_slice() {
        [] => ToolOutput::text(""),
        [ToolCallOutputPart::InputText(only)] => ToolOutput::text(only.text.clone()),
        _ => ToolOutput::parts(parts),
    })
}

/// Adds the parts of a content block. What the model cannot get as a part becomes the JSON of the block.
fn add_block(block: &Value, parts: &mut Vec<ToolCallOutputPart>) {
    let text = |name: &str| block.get(name).and_then(Value::as_str);
    let part = match (text("type"), text("text"), text("data"), text("mimeType")) {
        (Some("text"), Some(text), ..) => InputText::new(text).into(),
        (Some("image"), _, Some(data), Some(media_type)) => image(media_type, data),
        (Some("audio"), _, Some(data), Some(media_type)) => {
            file(format!("audio.{}", extension(media_type)), media_type, data)
        }
        (Some("resource"), ..) => return add_resource(block, parts),
        _ => InputText::new(block.to_string()).into(),
    };
    parts.push(part);
}

/// Adds an embedded resource: its address, and its content.
fn add_resource(block: &Value, parts: &mut Vec<ToolCallOutputPart>) {
    let member = |name: &str| block.get("resource").and_then(|resource| resource.get(name)).and_then(Value::as_str);
    let uri = member("uri").unwrap_or_default();
    if let Some(text) = member("text") {
        parts.push(InputText::new(format!("{uri}\n{text}")).into());
    } else if let Some(blob) = member("blob") {
        parts.push(InputText::new(uri).into());
        let media_type = member("mimeType").unwrap_or("application/octet-stream");
        parts.push(if media_type.starts_with("image/") {
            image(media_type, blob)
        } else {
            let name = uri.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("resource");
            file(name.to_owned(), media_type, blob)
        });
    } else {
        parts.push(InputText::new(block.to_string()).into());
    }
}

fn image(media_type: &str, base64: &str) -> ToolCallOutputPart {
    InputImage::new(ImageDetail::Auto).image_url(format!("data:{media_type};base64,{base64}")).into()
}

fn file(name: String, media_type: &str, base64: &str) -> ToolCallOutputPart {
    InputFile::new().filename(name).file_data(format!("data:{media_type};base64,{base64}")).into()
}

/// The end of a file name for a media type: `wav` for `audio/x-wav; rate=8000`.
fn extension(media_type: &str) -> &str {
    let subtype = media_type.split(';').next().and_then(|kind| kind.split('/').nth(1)).unwrap_or("bin");
    let subtype = subtype.trim();
    subtype.strip_prefix("x-").unwrap_or(subtype)
}

/// Whether a part is this JSON; servers send structured content as text, too.
fn is_json(part: &ToolCallOutputPart, json: &Value) -> bool {
    matches!(part, ToolCallOutputPart::InputText(text)
        if serde_json::from_str::<Value>(&text.text).is_ok_and(|value| value == *json))
}

/// A part of an error, which can only be text.
fn text_of(part: &ToolCallOutputPart) -> String {
    match part {
        ToolCallOutputPart::InputText(text) => text.text.clone(),
        part => crate::models::Json::of(part).map_or_else(|_| String::new(), |json| json.as_text().to_owned()),
    }
}
