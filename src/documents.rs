//! README.md, the skill, and those pages under `docs/` that are not guides, whose code the tests compile and, unless it is
//! marked `no_run`, run.

#[path = "sdk/pages.rs"]
mod reference;

/// Creates a module for each document, named like it. Together they need every feature.
macro_rules! documents {
    ($($name:ident $path:literal)*) => {$(
        #[cfg(all(
            feature = "agent",
            feature = "full",
            feature = "mock",
            feature = "reqwest",
            feature = "schemars",
            feature = "tls"
        ))]
        #[doc = include_str!($path)]
        mod $name {}
    )*};
}

documents! {
    readme "../README.md"
    lines "../docs/lines.md"
    from_agents "../docs/migrating/agents.md"
    from_async_openai "../docs/migrating/async-openai.md"
    from_openrouter_rs "../docs/migrating/openrouter-rs.md"
    from_reqwest "../docs/migrating/reqwest.md"
    from_typescript_sdk "../docs/migrating/typescript-sdk.md"
    skill "../skills/openrouter-kit/SKILL.md"
    skill_errors "../skills/openrouter-kit/references/errors.md"
    skill_media "../skills/openrouter-kit/references/media.md"
    skill_models_and_costs "../skills/openrouter-kit/references/models-and-costs.md"
    skill_streaming "../skills/openrouter-kit/references/streaming.md"
    skill_structured_output "../skills/openrouter-kit/references/structured-output.md"
    skill_testing "../skills/openrouter-kit/references/testing.md"
    skill_tools "../skills/openrouter-kit/references/tools.md"
}
