//! The facade: one struct for each namespace, one method for each operation.

use std::collections::{BTreeMap, BTreeSet};

use super::funcs::{Function, aliases, deprecation, facade_name, functions, imports, mentioned, operation_doc};
use super::{Context, Files, HEADER, doc, feature, gate, imports_of, names_in};
use crate::model::Operation;

/// The namespaces that programs use the most, in the order in which the documentation of the client has them. The others
/// follow by name.
const FIRST: &[&str] = &[
    "responses",
    "chat",
    "messages",
    "embeddings",
    "rerank",
    "images",
    "video_generation",
    "stt",
    "tts",
    "models",
    "endpoints",
    "providers",
    "generations",
    "credits",
    "files",
    "batch",
    "tools",
    "presets",
    "oauth",
    "api_keys",
];

/// Writes `src/sdk`.
pub fn emit(context: &Context<'_>, files: &mut Files) {
    let mut by_namespace: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    let mut groups: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for operation in &context.api.operations {
        by_namespace.entry(&operation.namespace).or_default().push(operation);
        for alias in aliases(context, operation) {
            if let Some((group, member)) = alias.split_once('.') {
                groups.entry(group.to_owned()).or_default().insert((member.to_owned(), operation.namespace.clone()));
            }
        }
    }
    for (namespace, operations) in &by_namespace {
        files.insert(format!("src/sdk/{namespace}.rs"), file(context, namespace, operations));
    }
    for (group, members) in &groups {
        files.insert(format!("src/sdk/{group}.rs"), group_file(context, group, members));
    }

    let mut root = format!(
        "{HEADER}//! The facade: [`OpenRouter`], with a method for each namespace. It adds nothing to\n//! [`funcs`](crate::funcs) but names.\n\n\
         use http::Method;\n\nuse crate::core::wire::Json;\nuse crate::core::{{Call, ClientBuilder, OpenRouterCore}};\nuse crate::errors::Error;\n\n"
    );
    let mut accessors = BTreeMap::new();
    let mut exports = String::new();
    let groups_of = groups.iter().map(|(group, members)| {
        let features: BTreeSet<String> = members.iter().map(|(_, namespace)| namespace.clone()).collect();
        (group.clone(), features)
    });
    let all = by_namespace
        .keys()
        .map(|namespace| ((*namespace).to_owned(), BTreeSet::from([(*namespace).to_owned()])))
        .chain(groups_of);
    for (name, features) in all.collect::<BTreeMap<_, _>>() {
        let gate = gate(&features);
        let facade = facade_name(&name);
        root.push_str(&format!("{gate}mod {name};\n"));
        exports.push_str(&format!("{gate}pub use self::{name}::{facade};\n"));
        let place = FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
        let mut accessor = "\n".to_owned();
        doc(&mut accessor, "    ", &about(context, &name), &[]);
        accessor.push_str(&format!(
            "    {}    #[inline]\n    pub fn {name}(&self) -> {facade}<'_> {{\n        {facade}::new(&self.core)\n    }}\n",
            gate.replace('\n', "\n    ").trim_end_matches(' ')
        ));
        accessors.insert((place, name), accessor);
    }
    root.push('\n');
    root.push_str(&exports);
    root.push_str(
        "\n/// A client for OpenRouter's API, namespace by namespace: `client.chat().send(request).await`.\n///\n\
         /// It is a thin layer over [`OpenRouterCore`]; cloning it is cheap, and all clones share their connections. The same\n\
         /// operations exist as [functions](crate::funcs) on the core.\n\
         #[derive(Clone, Debug)]\npub struct OpenRouter {\n    core: OpenRouterCore,\n}\n\n\
         impl OpenRouter {\n\
         \x20   /// Creates a client with this API key and the default options.\n    ///\n    /// # Errors\n\
         \x20   /// [`Error::InvalidRequest`] if the key is empty or not a valid header value.\n\
         \x20   pub fn new(api_key: impl Into<String>) -> Result<Self, Error> {\n        OpenRouterCore::new(api_key).map(Self::from)\n    }\n\n\
         \x20   /// Creates a client with the options of the environment; see [`OpenRouterCore::from_env`].\n    ///\n    /// # Errors\n\
         \x20   /// [`Error::InvalidRequest`] if a variable is invalid.\n\
         \x20   pub fn from_env() -> Result<Self, Error> {\n        OpenRouterCore::from_env().map(Self::from)\n    }\n\n\
         \x20   /// Starts building a client.\n\
         \x20   pub fn builder() -> ClientBuilder<Self> {\n        ClientBuilder::default()\n    }\n\n\
         \x20   /// Creates a request for an operation that this crate does not know, such as\n\
         \x20   /// one that is newer. See [`OpenRouterCore::request`].\n    #[inline]\n\
         \x20   pub fn request(&self, method: Method, path: impl Into<String>) -> Call<Json> {\n        self.core.request(method, path)\n    }\n\n\
         \x20   /// Returns the server URL, to which requests go.\n    #[inline]\n\
         \x20   pub fn server_url(&self) -> &str {\n        self.core.server_url()\n    }\n\n\
         \x20   /// Returns the core, for the free functions.\n    #[inline]\n    pub fn core(&self) -> &OpenRouterCore {\n        &self.core\n    }\n",
    );
    root.extend(accessors.into_values());
    root.push_str("}\n\nimpl From<OpenRouterCore> for OpenRouter {\n    fn from(core: OpenRouterCore) -> Self {\n        Self { core }\n    }\n}\n");
    files.insert("src/sdk/mod.rs".to_owned(), root);
}

/// The sentence about a namespace.
fn about(context: &Context<'_>, namespace: &str) -> String {
    match context.about.get(namespace) {
        Some(sentence) => sentence.clone(),
        None => format!("The namespaces under `{namespace}` in the official SDKs."),
    }
}

fn head(facade: &str, about: &str, access: &str) -> String {
    let mut out = String::new();
    doc(&mut out, "", about, &[]);
    out.push_str(&format!("///\n/// Returned by [`OpenRouter::{access}`](crate::OpenRouter::{access}).\n"));
    out + &format!(
        "#[derive(Clone, Copy, Debug)]\npub struct {facade}<'a> {{\n    pub(crate) core: &'a OpenRouterCore,\n}}\n\n\
         impl<'a> {facade}<'a> {{\n    pub(super) fn new(core: &'a OpenRouterCore) -> Self {{\n        Self {{ core }}\n    }}\n"
    )
}

fn file(context: &Context<'_>, namespace: &str, operations: &[&Operation]) -> String {
    let facade = facade_name(namespace);
    let mut body = head(&facade, &about(context, namespace), namespace);
    let mut types = String::new();
    for operation in operations {
        for function in functions(operation) {
            types.push_str(&mentioned(&function));
            method(context, operation, &function, &facade, &mut body);
        }
    }
    body.push_str("}\n");
    let mut used = imports(&body);
    used.push_str("use crate::funcs;\n");
    let models = imports_of(context, names_in(&types).filter(|name| *name != facade));
    format!("{HEADER}//! The namespace `{}`.\n\n{used}{models}\n{body}", feature(namespace))
}

fn method(context: &Context<'_>, operation: &Operation, function: &Function, facade: &str, out: &mut String) {
    // The struct of the namespace shadows a type of the same name.
    let seen = |ty: &str| match context.homes.get(facade) {
        Some(home) => qualified(ty, facade, home),
        None => ty.to_owned(),
    };
    out.push('\n');
    operation_doc(context, operation, function, out, "    ");
    out.push_str(&format!("    ///\n    /// Same as [`funcs::{}`].\n", function.name));
    let arguments: String = function.arguments.iter().map(|(name, ty)| format!(", {name}: {}", seen(ty))).collect();
    let names: String = function.arguments.iter().map(|(name, _)| format!(", {name}")).collect();
    let deprecation = deprecation(operation, "    ");
    if !deprecation.is_empty() {
        out.push_str("    #[expect(deprecated, reason = \"the function is deprecated as well\")]\n");
        out.push_str(&deprecation);
    }
    out.push_str(&format!(
        "    #[inline]\n    pub fn {}(self{arguments}) -> {} {{\n        funcs::{}(self.core{names})\n    }}\n",
        function.method,
        seen(&function.call()),
        function.name
    ));
}

/// A type in which the name `name` is written with its path.
fn qualified(ty: &str, name: &str, module: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for character in ty.chars().chain(['\0']) {
        if character.is_alphanumeric() || character == '_' {
            word.push(character);
            continue;
        }
        if word == name {
            out.push_str(&format!("crate::models::{module}::"));
        }
        out.push_str(&std::mem::take(&mut word));
        out.push(character);
    }
    out.trim_end_matches('\0').to_owned()
}

fn group_file(context: &Context<'_>, group: &str, members: &BTreeSet<(String, String)>) -> String {
    let facade = facade_name(group);
    let mut body = head(&facade, &about(context, group), group);
    for (member, namespace) in members {
        let gate = gate([namespace]);
        body.push_str(&format!(
            "\n    /// Same as [`OpenRouter::{namespace}`](crate::OpenRouter::{namespace}).\n    {}    #[inline]\n    pub fn {member}(self) -> super::{}<'a> {{\n        super::{}::new(self.core)\n    }}\n",
            gate.replace('\n', "\n    ").trim_end_matches(' '),
            facade_name(namespace),
            facade_name(namespace)
        ));
    }
    body.push_str("}\n");
    format!("{HEADER}//! The namespace `{group}`.\n\nuse crate::core::OpenRouterCore;\n\n{body}")
}
