//! The reference pages under `docs/sdks`, one a namespace, in the shape of the official SDKs' pages.
//!
//! Examples are whole programs. Their values come from the types; if a better one is known, it is in
//! `pages/examples.yaml`. What no document says (situations, operations that send nothing) is in Markdown files next to
//! it: `pages/PAGE.METHOD.md` follows the examples of an operation, `pages/PAGE.md` ends a page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::funcs::{Function, aliases, functions};
use super::{Context, Files, HEADER, feature, gate, names_in};
use crate::Failure;
use crate::model::{Answer, Body, Field, Kind, Operation, Presence, Ty, Variant};
use crate::names::{identifier, words};
use crate::node::{Node, quote};

/// What is written by hand for the pages.
#[derive(Debug)]
pub struct Pages {
    /// Values for examples; the file says by which names.
    examples: Node,
    /// A sentence for each namespace, and for each module of types that several share.
    pub about: BTreeMap<String, String>,
    /// Markdown by the name of its file, without the ending.
    sections: BTreeMap<String, String>,
}

impl Pages {
    /// Reads the folder `pages`.
    pub fn load(folder: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::new(format!("cannot read {}: {error}", folder.display()));
        let mut sections = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                sections.insert(name, std::fs::read_to_string(&path).map_err(failed)?);
            }
        }
        let examples = Node::load(&folder.join("examples.yaml"))?;
        let namespaces = Node::load(&folder.join("namespaces.yaml"))?;
        let about = namespaces.members().iter().map(|(name, text)| (name.clone(), text.to_string())).collect();
        Ok(Self { examples, about, sections })
    }
}

/// One page: a namespace under one of its names.
struct Page<'a> {
    /// The file: `beta-responses`.
    name: String,
    /// The heading: `Beta.Responses`.
    title: String,
    /// How the facade reaches it: `beta().responses()`.
    access: String,
    /// The start of its functions: `beta_responses`.
    prefix: String,
    namespace: &'a str,
    operations: Vec<&'a Operation>,
}

/// Writes the pages, and the module whose tests compile their code. Examples are left out for [`splice`], so that they
/// are formatted like all other code before.
pub fn emit(context: &Context<'_>, pages: &Pages, files: &mut Files) {
    let mut all: BTreeMap<String, Page<'_>> = BTreeMap::new();
    for operation in &context.api.operations {
        for alias in aliases(context, operation).into_iter().chain([operation.namespace.as_str()]) {
            let page = all.entry(alias.replace(['.', '_'], "-")).or_insert_with(|| Page {
                name: alias.replace(['.', '_'], "-"),
                title: alias.split('.').map(title).collect::<Vec<_>>().join("."),
                access: alias.split('.').map(|part| format!("{part}()")).collect::<Vec<_>>().join("."),
                prefix: alias.replace('.', "_"),
                namespace: &operation.namespace,
                operations: Vec::new(),
            });
            page.operations.push(operation);
        }
    }
    let mut index = format!(
        "<!-- {} -->\n\n# Reference\n\nEvery operation of the API, by namespace. Each namespace is a feature of the crate; \
         `full` turns all of them on.\n\n| Namespace | Feature | Operations |\n| --- | --- | --- |\n",
        HEADER.trim().trim_start_matches("// ")
    );
    let mut tests = format!("{HEADER}//! The code of the reference pages, for the tests.\n");
    for page in all.values() {
        let feature = feature(page.namespace);
        let methods: Vec<_> = page.operations.iter().flat_map(|operation| functions(operation)).collect();
        let by_hand = pages.sections.get(&page.name).into_iter().flat_map(|text| headings(text));
        let methods: Vec<_> = methods
            .iter()
            .map(|function| function.method.as_str())
            .chain(by_hand.map(|(name, _)| name))
            .map(|method| format!("`{method}`"))
            .collect();
        index.push_str(&format!("| [{}]({}.md) | `{feature}` | {} |\n", page.title, page.name, methods.join(", ")));
        tests.push_str(&format!(
            "\n{}#[doc = include_str!(\"../../docs/sdks/{}.md\")]\npub(super) mod {} {{}}\n",
            gate([&page.namespace.to_owned()]),
            page.name,
            page.prefix
        ));
        let text = write(context, pages, page, files);
        if TRIED.contains(&page.name.as_str()) {
            let programs = format!("tests/reference/{}.rs", page.prefix);
            files.insert(programs, format!("{HEADER}{}", tried(&text, files)));
        }
        files.insert(format!("docs/sdks/{}.md", page.name), text);
    }
    files.insert("docs/sdks/README.md".to_owned(), index);
    files.insert("src/sdk/pages.rs".to_owned(), tests);
}

/// The pages whose programs the tests run, besides compiling them.
const TRIED: &[&str] = &["beta-responses"];

/// The programs of a page as functions that a test can call. All that changes is where the client comes from.
fn tried(page: &str, files: &Files) -> String {
    let mut out =
        "//! The programs of a reference page, named by their headings; `client` and `core` are those of the test.\n"
            .to_owned();
    let mut headings = [String::new(), String::new()];
    let (operations, _options) = page.split_once("\n## Options\n").unwrap_or((page, ""));
    let mut blocks = operations.split("```rust,no_run\n");
    let mut place = |text: &str| {
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                headings = [heading.to_owned(), String::new()];
            } else if let Some(heading) = line.strip_prefix("### ") {
                headings[1] = heading.to_owned();
            }
        }
        words(&headings.join(" ")).join("_")
    };
    let mut name = place(blocks.next().unwrap_or_default());
    for block in blocks {
        let (code, rest) = block.split_once("\n```").unwrap_or((block, ""));
        let code = files.get(code).map_or(code, String::as_str);
        let code = code
            .replace("#[tokio::main]\nasync fn main", "pub(crate) async fn main")
            .replace("OpenRouter::from_env()?", "super::super::client()")
            .replace("OpenRouterCore::from_env()?", "super::super::core()")
            .replace("use openrouter_kit::OpenRouter;\n", "")
            .replace("{OpenRouterCore, funcs::", "{funcs::");
        out.push_str(&format!("\npub(crate) mod {name} {{\n{code}\n}}\n"));
        name = place(rest);
    }
    out
}

/// Puts the formatted examples where they belong.
pub fn splice(files: &mut Files) {
    let names: Vec<_> = files.keys().filter(|name| name.starts_with("snippets/")).cloned().collect();
    let snippets: BTreeMap<_, _> = names.into_iter().filter_map(|name| files.remove_entry(&name)).collect();
    for (_, text) in files.iter_mut().filter(|(name, _)| name.starts_with("docs/")) {
        let lines = text.lines().map(|line| snippets.get(line).map_or(line, |code| code.trim_end()));
        *text = lines.flat_map(|line| [line, "\n"]).collect();
    }
}

fn title(part: &str) -> String {
    match part {
        "byok" | "scim" => part.to_uppercase(),
        "stt" => "Transcriptions (STT)".to_owned(),
        "tts" => "Speech (TTS)".to_owned(),
        "oauth" => "OAuth".to_owned(),
        "api_keys" => "API keys".to_owned(),
        other => {
            let text = other.replace('_', " ");
            text.chars().take(1).flat_map(char::to_uppercase).chain(text.chars().skip(1)).collect()
        }
    }
}

fn write(context: &Context<'_>, pages: &Pages, page: &Page<'_>, files: &mut Files) -> String {
    let mut out =
        format!("<!-- {} -->\n\n# {}\n\n## Overview\n\n", HEADER.trim().trim_start_matches("// "), page.title);
    if let Some(sentence) = pages.about.get(page.namespace) {
        out.push_str(&format!("{sentence}\n\n"));
    }
    let feature = feature(page.namespace);
    out.push_str(&format!("Feature `{feature}`. With the facade: `client.{}`. ", page.access));
    out.push_str(&format!("With functions: `funcs::{}_…`.", page.prefix));
    if page.prefix != page.namespace {
        let other = page.namespace.replace('_', "-");
        out.push_str(&format!(" The same operations under another name: [{}]({other}.md).", title(page.namespace)));
    }
    out.push_str("\n\n### Available Operations\n\n");
    for operation in &page.operations {
        for function in functions(operation) {
            let what = if function.stream { "Streams the response as events." } else { sentence(context, operation) };
            out.push_str(&format!("* [{0}](#{0}) - {what}\n", function.method));
        }
    }
    let end = pages.sections.get(&page.name);
    for (name, what) in end.into_iter().flat_map(|text| headings(text)) {
        out.push_str(&format!("* [{name}](#{name}) - {what}\n"));
    }
    for operation in &page.operations {
        for function in functions(operation) {
            operation_section(context, pages, page, operation, &function, &mut out, files);
        }
    }
    if let Some(text) = end {
        out.push_str(&format!("\n{text}"));
    }
    if let Some(text) = pages.sections.get("options") {
        out.push_str(&format!("\n{text}"));
    }
    define_links(context, &mut out);
    out
}

/// Ends a page with the addresses of the types that it links to.
fn define_links(context: &Context<'_>, out: &mut String) {
    let linked = out.split("`][").skip(1).filter_map(|rest| rest.split_once(']')).map(|(name, _)| name.to_owned());
    let linked: BTreeSet<_> = linked.collect();
    out.push('\n');
    for name in linked {
        let (Some(ty), Some(home)) = (context.api.find(&name), context.homes.get(name.as_str())) else { continue };
        let kind = match ty.kind {
            Kind::Enum(_) | Kind::Union(_) => "enum",
            Kind::Alias(_) => "type",
            Kind::Struct(_) | Kind::Parameters(_) | Kind::Form(_) => "struct",
        };
        out.push_str(&format!(
            "[{name}]: https://docs.rs/openrouter-kit/latest/openrouter_kit/models/{home}/{kind}.{name}.html\n"
        ));
    }
}

/// A type as code that links to the generated type in it.
fn linked(context: &Context<'_>, ty: &str) -> String {
    match names_in(ty).filter(|name| context.homes.contains_key(name)).last() {
        Some(name) => format!("[`{ty}`][{name}]"),
        None => format!("`{ty}`"),
    }
}

/// The operations of a section written by hand, with the first sentence of each.
fn headings(text: &str) -> Vec<(&str, &str)> {
    let parts = text.trim_start_matches("## ").split("\n## ");
    parts
        .filter_map(|part| part.split_once('\n'))
        .map(|(name, rest)| (name.trim(), rest.trim_start().lines().next().unwrap_or_default()))
        .collect()
}

fn sentence<'a>(context: &Context<'a>, operation: &'a Operation) -> &'a str {
    context.prose.get(&operation.id).unwrap_or(&operation.id)
}

fn operation_section(
    context: &Context<'_>,
    pages: &Pages,
    page: &Page<'_>,
    operation: &Operation,
    function: &Function,
    out: &mut String,
    files: &mut Files,
) {
    out.push_str(&format!("\n## {}\n\n{}", function.method, sentence(context, operation)));
    if function.stream {
        out.push_str(" The response arrives as a stream of events.");
    }
    out.push_str(&format!("\n\n`{} {}`, operation `{}`.", operation.method, operation.path, operation.id));
    match operation.authentication {
        "None" => out.push_str(" No API key is sent."),
        "Optional" => out.push_str(" It works without an API key."),
        _ => {}
    }
    if let Some(instead) = &operation.deprecated {
        out.push_str(&format!(" Deprecated: {instead}."));
    }
    let free = identifier(&format!("{}_{}", page.prefix, function.method));
    let arguments = Arguments::new(context, pages, operation, function);
    let params = if function.params.is_some() { ".params(params)" } else { "" };
    let facade = Way {
        import: "openrouter_kit::OpenRouter",
        make: "let client = OpenRouter::from_env()?;".to_owned(),
        call: format!("client.{}.{}({}){params}", page.access, function.method, arguments.names.join(", ")),
    };
    let core = ["&core".to_owned()].into_iter().chain(arguments.names.iter().cloned()).collect::<Vec<_>>();
    let standalone = Way {
        import: &format!("openrouter_kit::{{OpenRouterCore, funcs::{free}}}"),
        make: "let core = OpenRouterCore::from_env()?;".to_owned(),
        call: format!("{free}({}){params}", core.join(", ")),
    };
    for (heading, name, way) in [("Example Usage", "facade", facade), ("Standalone function", "function", standalone)] {
        let file = format!("snippets/{free}.{name}.rs");
        out.push_str(&format!("\n\n### {heading}\n\n```rust,no_run\n{file}\n```"));
        files.insert(file, program(context, pages, operation, &arguments, &way));
    }
    out.push('\n');
    if let Some(section) = pages.sections.get(&format!("{}.{}", page.name, function.method)) {
        out.push_str(&format!("\n{section}"));
    }
    parameters(context, pages, operation, function, out);
    response(context, operation, function, out);
    errors(context, operation, out);
}

/// One of the two ways to call an operation.
struct Way<'a> {
    import: &'a str,
    make: String,
    call: String,
}

/// What an example passes.
struct Arguments {
    /// The arguments in the call.
    names: Vec<String>,
    /// The lines before the call.
    lines: Vec<String>,
}

impl Arguments {
    fn new(context: &Context<'_>, pages: &Pages, operation: &Operation, function: &Function) -> Self {
        let values = Values { context, pages, namespace: &operation.namespace };
        let scalars = operation.path_parameters.iter().chain(&operation.required_query);
        let mut names: Vec<_> = scalars.map(|field| values.taken(&field.ty, &field.wire, 0)).collect();
        let mut lines = Vec::new();
        if operation.body != Body::None {
            let value = match (pages.examples.text_of(&operation.id), &operation.body) {
                (Some(example), _) => example.trim().to_owned(),
                (None, Body::Json(ty, _) | Body::Form(ty)) => values.whole(ty, &operation.name),
                (None, Body::Multipart(name)) => values.filled(name),
                (None, Body::None) => String::new(),
            };
            lines.push(format!("let request = {value};"));
        }
        names.extend(lines.iter().filter(|line| line.starts_with("let request")).map(|_| "request".to_owned()));
        names.extend(operation.headers.iter().map(|_| "None".to_owned()));
        if let Some(ty) = &function.params {
            let example = pages.examples.text_of(&format!("{}.params", operation.id));
            let value = example.map_or_else(|| values.filled(ty), str::to_owned);
            lines.push(format!("let params = {value};"));
        }
        Self { names, lines }
    }
}

fn program(
    context: &Context<'_>,
    pages: &Pages,
    operation: &Operation,
    arguments: &Arguments,
    way: &Way<'_>,
) -> String {
    let stream = way.call.contains("stream(") || matches!(operation.answer, Answer::Stream(_));
    let mut body = format!("{}\n", way.make);
    body.extend(arguments.lines.iter().map(|line| format!("{line}\n")));
    body.push_str(&match &operation.answer {
        Answer::JsonOrStream(_, event) | Answer::Stream(event) if stream => format!(
            "let mut stream = {}.await?;\nwhile let Some(event) = stream.next().await {{\nlet event = event?;\n{}\n}}\n",
            way.call,
            use_of(context, pages, event, "event")
        ),
        Answer::Empty => format!("{}.await?;\n", way.call),
        Answer::Bytes => {
            let file = pages.examples.text_of(&format!("{}.file", operation.id)).unwrap_or("answer.bin");
            format!("let length = {}.await?.save_to({}).await?;\nprintln!(\"{{length}} bytes\");\n", way.call, quote(file))
        }
        Answer::Json(ty) | Answer::JsonOrStream(ty, _) | Answer::Stream(ty) => {
            format!("let result = {}.await?;\n{}\n", way.call, use_of(context, pages, ty, "result"))
        }
    });
    let mut models: Vec<_> = capitalized(&body)
        .into_iter()
        .filter(|name| {
            context.homes.contains_key(name) || matches!(*name, "FilePart" | "Json" | "JsonObject" | "Patch" | "Secret")
        })
        .map(|name| context.path(name))
        .collect();
    models.sort_unstable();
    models.dedup();
    let mut head = format!("use {};\n", way.import);
    if !models.is_empty() {
        head.push_str(&format!("use openrouter_kit::models::{{{}}};\n", models.join(", ")));
    }
    if body.contains("BTreeMap::") {
        head.insert_str(0, "use std::collections::{BTreeMap, BTreeSet};\n\n");
    }
    if body.contains("json!(") {
        head.push_str("use openrouter_kit::serde_json::json;\n");
    }
    format!("{head}\n#[tokio::main]\nasync fn main() -> Result<(), openrouter_kit::Error> {{\n{body}Ok(())\n}}\n")
}

/// What an example does with what it got: the lines for its type, or it prints the fields that say the most.
fn use_of(context: &Context<'_>, pages: &Pages, ty: &Ty, name: &str) -> String {
    let whole = format!("println!(\"{{{name}:?}}\");");
    let Some(type_name) = ty.named() else { return whole };
    if let Some(lines) = pages.examples.text_of(&format!("{type_name}.use")) {
        return lines.trim_end().to_owned();
    }
    let fields = |name: &str| match context.api.find(name).map(|ty| &ty.kind) {
        Some(Kind::Struct(own)) => own.fields.as_slice(),
        _ => &[],
    };
    // Responses wrap their content in `data`, or hold one list of it.
    let (mut place, mut own) = (name.to_owned(), fields(type_name));
    loop {
        let required = |field: &&Field| field.presence == Presence::Required && !field.boxed;
        let inner = own.iter().filter(required).find_map(|field| match &field.ty {
            Ty::List(of) if !fields(of.named()?).is_empty() => Some((field, of.named()?, true)),
            Ty::Named(of) if field.wire == "data" && !fields(of).is_empty() => Some((field, of.as_str(), false)),
            _ => None,
        });
        match inner {
            Some((field, of, true)) => {
                let line = print(context, "item", fields(of)).unwrap_or_else(|| "println!(\"{item:?}\");".to_owned());
                return format!("for item in &{place}.{} {{\n{line}\n}}", field.rust);
            }
            Some((field, of, false)) => {
                place = format!("{place}.{}", field.rust);
                own = fields(of);
            }
            None => return print(context, &place, own).unwrap_or(whole),
        }
    }
}

/// A line that prints up to three fields that are always there, the most telling ones first.
fn print(context: &Context<'_>, place: &str, fields: &[Field]) -> Option<String> {
    const TELLING: &[&str] = &["name", "id", "slug", "hash", "label", "model", "status", "date", "text"];
    let is_enum = |name: &str| context.api.find(name).is_some_and(|ty| matches!(ty.kind, Kind::Enum(_)));
    let rank = |field: &Field| TELLING.iter().position(|name| *name == field.wire).unwrap_or(TELLING.len());
    let is_shown = |field: &&Field| {
        field.presence == Presence::Required
            && match &field.ty {
                Ty::String | Ty::Integer | Ty::Number | Ty::Bool => true,
                Ty::Named(name) => is_enum(name) && field.wire != "object",
                _ => false,
            }
    };
    let mut shown: Vec<_> = fields.iter().filter(is_shown).collect();
    shown.sort_by_key(|field| rank(field));
    shown.truncate(3);
    if shown.is_empty() {
        return None;
    }
    let holes = vec!["{}"; shown.len()].join(", ");
    let values: Vec<_> = shown.iter().map(|field| format!("{place}.{}", field.rust)).collect();
    Some(format!("println!(\"{holes}\", {});", values.join(", ")))
}

/// The names of types in a piece of code, other than those inside a path.
fn capitalized(code: &str) -> Vec<&str> {
    let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
    let paths = code.split('"').step_by(2).flat_map(|plain| plain.split(ends));
    paths.filter_map(|path| path.split("::").next()).filter(|name| name.starts_with(char::is_uppercase)).collect()
}

/// Values for examples, made from types.
struct Values<'a> {
    context: &'a Context<'a>,
    pages: &'a Pages,
    namespace: &'a str,
}

impl Values<'_> {
    /// A value for an argument that takes `impl Into` of the type.
    fn taken(&self, ty: &Ty, wire: &str, depth: usize) -> String {
        match ty {
            Ty::String => self.known(wire).map_or_else(|| quote(&wire_or("value", wire)), |known| quote(&known)),
            Ty::Secret(of) => self.taken(of, wire, depth),
            Ty::Bool => "true".to_owned(),
            Ty::Integer => self.known(wire).unwrap_or_else(|| "10".to_owned()),
            Ty::Number => self.known(wire).unwrap_or_else(|| "10.0".to_owned()),
            Ty::Json | Ty::JsonObject => "json!({\"key\": \"value\"})".to_owned(),
            Ty::Bytes => "FilePart::from_path(\"file.mp3\")".to_owned(),
            Ty::List(of) => format!("[{}]", self.taken(of, wire, depth + 1)),
            Ty::Map(of) => format!("BTreeMap::from([(\"key\".to_owned(), {})])", self.exact(of, wire, depth + 1)),
            Ty::Named(name) => self.named(name, wire, depth),
        }
    }

    /// The text or number for a member of this name, from `examples.yaml`.
    fn known(&self, wire: &str) -> Option<String> {
        let keys = [format!("{}.{wire}", self.namespace), format!("any.{wire}")];
        keys.iter().find_map(|key| self.pages.examples.text_of(key)).map(str::to_owned)
    }

    /// A value for the table of parameters, if there is one that says something.
    fn example(&self, ty: &Ty, wire: &str) -> Option<String> {
        match ty {
            Ty::String => self.known(wire).map(|known| quote(&known)),
            Ty::Integer | Ty::Number => self.known(wire),
            Ty::Bool => Some("true".to_owned()),
            Ty::List(of) => self.example(of, wire).map(|one| format!("[{one}]")),
            Ty::Named(name) => match &self.context.api.find(name)?.kind {
                Kind::Alias(of) => self.example(of, wire),
                Kind::Enum(values) => {
                    let known = self.known(wire).filter(|known| values.iter().any(|value| value.wire == *known));
                    known.or_else(|| values.first().map(|value| value.wire.clone())).map(|value| quote(&value))
                }
                Kind::Union(union) => {
                    let plain = |ty: &Ty| matches!(ty, Ty::String | Ty::Number | Ty::Integer);
                    let variant = union.variants.iter().find(|variant| plain(&variant.ty))?;
                    self.example(&variant.ty, wire)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// A value of exactly the type.
    fn exact(&self, ty: &Ty, wire: &str, depth: usize) -> String {
        let taken = self.taken(ty, wire, depth);
        match ty {
            Ty::Bool | Ty::Integer | Ty::Number | Ty::Bytes | Ty::Map(_) => taken,
            Ty::String => format!("{taken}.to_owned()"),
            Ty::List(of) => format!("vec![{}]", self.exact(of, wire, depth + 1)),
            Ty::Named(name) if taken.starts_with(&format!("{name}::")) => taken,
            other => format!("{}::from({taken})", other.rust()),
        }
    }

    /// A value for the body of a request.
    fn whole(&self, ty: &Ty, wire: &str) -> String {
        match ty {
            Ty::Named(name) => match self.context.api.find(name).map(|ty| &ty.kind) {
                Some(Kind::Struct(_) | Kind::Form(_)) => self.filled(name),
                _ => self.exact(ty, wire, 0),
            },
            other => self.exact(other, wire, 0),
        }
    }

    /// A struct with what it requires, or with its first plain field if it requires nothing.
    fn filled(&self, name: &str) -> String {
        let made = self.named(name, "", 0);
        let fields = match self.context.api.find(name).map(|ty| &ty.kind) {
            Some(Kind::Struct(own)) => own.fields.as_slice(),
            Some(Kind::Parameters(fields) | Kind::Form(fields)) => fields.as_slice(),
            _ => &[],
        };
        if fields.iter().any(|field| field.presence == Presence::Required) {
            return made;
        }
        let plain = |field: &&Field| {
            matches!(field.ty, Ty::String | Ty::Bool | Ty::Integer | Ty::Number)
                && field.presence == Presence::Optional
                && !field.deprecated
                && field.wire != "offset"
        };
        match fields.iter().find(|field| plain(field)) {
            Some(field) => format!("{made}.{}({})", field.rust, self.taken(&field.ty, &field.wire, 1)),
            None => made,
        }
    }

    fn named(&self, name: &str, wire: &str, depth: usize) -> String {
        let Some(ty) = self.context.api.find(name) else { return format!("{name}::new()") };
        match &ty.kind {
            Kind::Alias(of) => self.taken(of, wire, depth),
            Kind::Enum(values) => match values.first() {
                Some(value) => format!("{name}::{}", value.rust),
                None => format!("{name}::from(\"value\")"),
            },
            Kind::Parameters(_) => format!("{name}::new()"),
            Kind::Struct(own) => self.made(name, &own.fields, depth),
            Kind::Form(fields) => self.made(name, fields, depth),
            Kind::Union(union) => {
                // Text reads best; else the first branch that holds a value of its own type.
                let rank = |variant: &&Variant| match &variant.ty {
                    Ty::String => 0,
                    Ty::Named(_) => 1,
                    _ => 2,
                };
                let Some(variant) = union.variants.iter().min_by_key(rank) else {
                    return format!("{name}::from(\"\")");
                };
                if variant.ty == Ty::String {
                    return self.taken(&variant.ty, wire, depth + 1);
                }
                let inner = self.exact(&variant.ty, wire, depth + 1);
                if variant.boxed {
                    format!("{name}::{}(Box::new({inner}))", variant.rust)
                } else {
                    format!("{name}::{}({inner})", variant.rust)
                }
            }
        }
    }

    fn made(&self, name: &str, fields: &[Field], depth: usize) -> String {
        // No value of a request is this deep; it only keeps a type that requires itself from never ending.
        if depth > 12 {
            return "Default::default()".to_owned();
        }
        let required = fields.iter().filter(|field| field.presence == Presence::Required);
        let values: Vec<_> = required.map(|field| self.taken(&field.ty, &field.wire, depth + 1)).collect();
        format!("{name}::new({})", values.join(", "))
    }
}

/// A member's name as an example of its text.
fn wire_or(empty: &str, wire: &str) -> String {
    if wire.is_empty() { empty.to_owned() } else { wire.to_lowercase().replace('_', "-") }
}

/// A description in a table.
fn cell(context: &Context<'_>, field: &Field) -> String {
    let sentence = context.prose.get(&field.key).unwrap_or_default();
    let deprecated = field.deprecated.then(|| "Deprecated by the API.".to_owned());
    let parts = [sentence.to_owned()].into_iter().chain(field.facts.iter().cloned()).chain(deprecated);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ").replace('\n', " ").replace('|', "\\|")
}

fn parameters(context: &Context<'_>, pages: &Pages, operation: &Operation, function: &Function, out: &mut String) {
    let values = Values { context, pages, namespace: &operation.namespace };
    out.push_str("\n### Parameters\n\n");
    if function.arguments.is_empty() && function.params.is_none() {
        out.push_str("None, except the [options](#options) of every call.\n");
        return;
    }
    out.push_str("| Name | Type | Required | Description | Example |\n| --- | --- | --- | --- | --- |\n");
    let mut row = |name: &str, ty: &str, required: bool, text: &str, example: Option<String>| {
        let required = if required { "yes" } else { "no" };
        let example = example.map_or_else(String::new, |example| format!("`{}` ", example.replace('|', "\\|")));
        out.push_str(&format!("| `{name}` | {} | {required} | {text} | {example}|\n", linked(context, ty)));
    };
    let scalars: Vec<_> =
        operation.path_parameters.iter().chain(&operation.required_query).chain(&operation.headers).collect();
    let params = function.params.iter().map(|ty| ("params", ty.as_str()));
    let arguments = function.arguments.iter().map(|(name, ty)| (name.as_str(), ty.as_str()));
    for (name, ty) in arguments.chain(params) {
        if let Some(field) = scalars.iter().find(|field| field.rust == name) {
            let example = values.example(&field.ty, &field.wire);
            row(name, ty, !ty.starts_with("Option<"), &cell(context, field), example);
            continue;
        }
        let bare = ty.strip_prefix("impl Borrow<").or_else(|| ty.strip_prefix("impl Into<"));
        let ty = bare.and_then(|ty| ty.strip_suffix('>')).unwrap_or(ty);
        let of_type = context.api.find(ty);
        let what = of_type.and_then(|ty| context.prose.of_type(ty)).unwrap_or(match name {
            "params" => "The optional parameters, set by `.params(…)` on the call.",
            _ => "The request.",
        });
        row(name, ty, name != "params", &what.replace('|', "\\|"), None);
        let fields = match of_type.map(|ty| &ty.kind) {
            Some(Kind::Struct(own)) => own.fields.as_slice(),
            Some(Kind::Parameters(fields) | Kind::Form(fields)) => fields.as_slice(),
            _ => &[],
        };
        for field in fields {
            let required = field.presence == Presence::Required;
            let example = values.example(&field.ty, &field.wire).filter(|_| !field.deprecated);
            row(&format!("{name}.{}", field.rust), &field.ty.rust(), required, &cell(context, field), example);
        }
    }
    out.push_str("\nRetries, time limits, headers and more are [options](#options) of the call.");
    if operation.metadata {
        out.push_str(" `.metadata(true)` requests `openrouter_metadata`: how the request was routed.");
    }
    out.push('\n');
}

fn response(context: &Context<'_>, operation: &Operation, function: &Function, out: &mut String) {
    let ty = match &operation.answer {
        Answer::JsonOrStream(_, event) if function.stream => event.named(),
        Answer::Json(ty) | Answer::JsonOrStream(ty, _) | Answer::Stream(ty) => ty.named(),
        Answer::Empty | Answer::Bytes => None,
    };
    let sentence = ty.and_then(|name| context.api.find(name)).and_then(|ty| context.prose.of_type(ty));
    let sentence = sentence.unwrap_or(match &operation.answer {
        Answer::Empty => "The response has no content.",
        Answer::Bytes => "The bytes of a file. Read them as they arrive, collect them, or save them to a file.",
        _ => "",
    });
    let sentence = if sentence.is_empty() { String::new() } else { format!(": {sentence}") };
    out.push_str(&format!("\n### Response\n\n**{}**{sentence}\n", linked(context, &function.answer)));
    if operation.paging.is_some() {
        out.push_str(
            "\nIt is one page: instead of `.await`, `.items()` on the call iterates over the items of all pages, and `.pages()` \
             over the pages.\n",
        );
    }
}

fn errors(context: &Context<'_>, operation: &Operation, out: &mut String) {
    out.push_str("\n### Errors\n\n| Error Kind | Status Code | Content Type |\n| --- | --- | --- |\n");
    for status in &operation.errors {
        if let Some(kind) = status.parse().ok().and_then(|status: u16| context.error_kinds.get(&status)) {
            let kind = &kind.name;
            out.push_str(&format!("| `ApiErrorKind::{kind}` | {status} | application/json |\n"));
        }
    }
    out.push_str("| `ApiErrorKind::Default` | any other 4XX, 5XX | \\*/\\* |\n");
    out.push_str(
        "\nThese are kinds of `Error::Api`. For all errors of a call and how to handle them, see [errors](../errors.md).\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_an_example_names_are_found_outside_of_texts_and_paths() {
        let code = "let request = Request::new([Part::text(\"Hello World\")], Kind::First);";
        assert_eq!(capitalized(code), ["Request", "Part", "Kind"]);
    }

    #[test]
    fn an_operation_written_by_hand_is_listed_with_its_first_sentence() {
        let text = "## one\n\nDoes this.\n\n### Example\n\nMore.\n\n## two\n\nDoes that.\n";
        assert_eq!(headings(text), [("one", "Does this."), ("two", "Does that.")]);
    }

    #[test]
    fn a_program_of_a_page_is_named_by_its_headings() {
        let page = "# Page\n\n## send\n\n### Example Usage: it-broke\n\n```rust,no_run\nuse openrouter_kit::OpenRouter;\n\
                    \n#[tokio::main]\nasync fn main() {\n    let client = OpenRouter::from_env()?;\n}\n```\n";
        let programs = tried(page, &Files::new());
        assert!(programs.contains("pub(crate) mod send_example_usage_it_broke {"), "{programs}");
        assert!(
            programs.contains("pub(crate) async fn main() {\n    let client = super::super::client();"),
            "{programs}"
        );
        assert!(!programs.contains("from_env"), "{programs}");
    }

    #[test]
    fn examples_take_the_place_of_their_names_after_they_were_formatted() {
        let mut files = Files::from([
            ("docs/sdks/a.md".to_owned(), "```rust\nsnippets/a.rs\n```\n".to_owned()),
            ("snippets/a.rs".to_owned(), "fn main() {}\n".to_owned()),
        ]);
        splice(&mut files);
        assert_eq!(files, Files::from([("docs/sdks/a.md".to_owned(), "```rust\nfn main() {}\n```\n".to_owned())]));
    }
}
