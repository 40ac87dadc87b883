//! Files that a model made in a container.

use crate::models::containers::ContainerFile;
use crate::models::shared::ToolOutputFile;

impl ContainerFile {
    /// Returns the name of the file without its directories, to save it under; `None` if the path
    /// does not end with a name.
    ///
    /// The model chose the path, which may be absolute or contain `..`, so never join the whole
    /// path to a directory.
    ///
    /// ```no_run
    /// # async fn save(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// let containers = client.containers();
    /// let mut files = containers.list_container_files("the id of the container").items();
    /// while let Some(file) = files.next().await {
    ///     let file = file?;
    ///     let Some(name) = file.file_name() else { continue };
    ///     let content = containers.download_container_file_content(&file.container_id, &file.id).await?;
    ///     content.save_to(std::path::Path::new("results").join(name)).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn file_name(&self) -> Option<&str> {
        last_name(&self.path)
    }
}

impl ToolOutputFile {
    /// Returns the name of the file without directories, to save it under; `None` if it is not the
    /// name of a file. The model chose the name, so never join [`filename`](Self::filename) itself
    /// to a directory.
    #[inline]
    pub fn file_name(&self) -> Option<&str> {
        last_name(&self.filename)
    }
}

/// Returns the last part of a path of any operating system. What Windows reads as a drive or a
/// stream is rejected everywhere.
#[inline]
fn last_name(path: &str) -> Option<&str> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_name =
        !matches!(name, "" | "." | "..") && !name.contains(|letter: char| letter == ':' || letter.is_control());
    is_name.then_some(name)
}

#[cfg(feature = "responses")]
impl crate::models::ResponsesResult {
    /// Returns the files that the model created or changed in containers while it ran commands, in
    /// the order of the output.
    ///
    /// ```no_run
    /// # async fn save(client: openrouter_kit::OpenRouter, result: openrouter_kit::models::ResponsesResult)
    /// # -> Result<(), openrouter_kit::Error> {
    /// for file in result.output_files() {
    ///     let Some(name) = file.file_name() else { continue };
    ///     let content =
    ///         client.containers().download_container_file_content(&file.container_id, &file.file_id).await?;
    ///     content.save_to(std::path::Path::new("results").join(name)).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn output_files(&self) -> Vec<&ToolOutputFile> {
        use crate::models::OutputItem;

        let files = self.output.iter().filter_map(|item| match item {
            OutputItem::OpenRouterBash(item) => item.files.as_ref(),
            OutputItem::OpenRouterShell(item) => item.files.as_ref(),
            OutputItem::ShellCallOutput(item) => item.files.as_ref(),
            _ => None,
        });
        files.flatten().collect()
    }
}

#[cfg(feature = "messages")]
impl crate::models::MessagesResult {
    /// Returns the files that the model created or changed in containers while it ran commands, in
    /// the order of the content. They are saved as those of `ResponsesResult::output_files`.
    pub fn output_files(&self) -> Vec<&ToolOutputFile> {
        use crate::models::MessagesContentBlock;

        let files = self.content.iter().filter_map(|block| match block {
            MessagesContentBlock::OpenRouterBashToolResult(block) => block.files.as_ref(),
            MessagesContentBlock::OpenRouterShellToolResult(block) => block.files.as_ref(),
            _ => None,
        });
        files.flatten().collect()
    }
}
