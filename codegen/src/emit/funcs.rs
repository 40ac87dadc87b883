//! The free functions, one for each operation.

use std::collections::BTreeMap;

use super::models::has_no_text;
use super::{Context, Files, HEADER, doc, feature, gate, imports_of, literal, names_in};
use crate::model::{Answer, Body, Field, Operation, Paging, Ty};
use crate::names::{identifier, pascal, words};

/// A function: how it is called and what it does.
#[derive(Debug)]
pub struct Function {
    /// `responses_send`.
    pub name: String,
    /// The method of the facade: `send`.
    pub method: String,
    /// Names and types of the arguments after the core.
    pub arguments: Vec<(String, String)>,
    /// What the operation returns.
    pub answer: String,
    /// The type of the optional parameters.
    pub params: Option<String>,
    /// The body.
    body: String,
    /// It returns a stream of events.
    pub stream: bool,
}

impl Function {
    /// The type of the call.
    pub fn call(&self) -> String {
        match &self.params {
            Some(params) => format!("Call<{}, {params}>", self.answer),
            None => format!("Call<{}>", self.answer),
        }
    }
}

/// The functions of an operation: one, or two if it can stream.
pub fn functions(operation: &Operation) -> Vec<Function> {
    let one = |name: &str, answer: String, stream: Option<bool>| function(operation, name, answer, stream);
    let events = |ty: &Ty| format!("EventStream<{}>", ty.rust());
    let stream_name = match operation.name.as_str() {
        "send" | "create" | "generate" => "stream".to_owned(),
        other => format!("{other}_stream"),
    };
    match &operation.answer {
        Answer::Empty => vec![one(&operation.name, "()".to_owned(), None)],
        Answer::Json(ty) => vec![one(&operation.name, ty.rust(), None)],
        Answer::Bytes => vec![one(&operation.name, "Download".to_owned(), None)],
        Answer::Stream(event) => vec![one(&operation.name, events(event), None)],
        Answer::JsonOrStream(ty, event) => {
            vec![one(&operation.name, ty.rust(), Some(false)), one(&stream_name, events(event), Some(true))]
        }
    }
}

fn function(operation: &Operation, method: &str, answer: String, stream: Option<bool>) -> Function {
    let mut arguments = Vec::new();
    let name = format!("{}_{method}", operation.namespace);
    let mut body = format!("Parts::new(&{})", constant(&name));
    for field in &operation.path_parameters {
        let (ty, value) = scalar(field);
        let value = if has_no_text(&field.ty) { format!("{value}.to_string()") } else { value };
        arguments.push((field.rust.clone(), ty));
        body.push_str(&format!(".path({}, {value})", literal(&field.wire)));
    }
    for field in &operation.required_query {
        let (ty, value) = scalar(field);
        arguments.push((field.rust.clone(), ty));
        let call = if matches!(field.ty, Ty::List(_)) { "query_list" } else { "query" };
        body.push_str(&format!(".{call}({}, Some({value}))", literal(&field.wire)));
    }
    match &operation.body {
        Body::None => {}
        Body::Json(ty, _) => {
            arguments.push(("request".to_owned(), format!("impl Borrow<{}>", ty.rust())));
            body.push_str(".json(request.borrow())");
        }
        Body::Form(ty) => {
            arguments.push(("request".to_owned(), format!("impl Borrow<{}>", ty.rust())));
            body.push_str(".form(request.borrow())");
        }
        Body::Multipart(name) => {
            arguments.push(("request".to_owned(), format!("impl Into<{name}>")));
            body.push_str(".multipart(request.into().into_multipart())");
        }
    }
    for field in &operation.headers {
        arguments.push((field.rust.clone(), "Option<&str>".to_owned()));
        body.push_str(&format!(".header({}, {})", literal(&field.wire.to_lowercase()), field.rust));
    }
    if let Some(stream) = stream.filter(|_| operation.stream_member) {
        body.push_str(&format!(".stream({stream})"));
    }
    let params = operation.query.clone();
    Function { name, method: identifier(method), arguments, answer, params, body, stream: stream == Some(true) }
}

/// How a parameter is accepted and passed on.
fn scalar(field: &Field) -> (String, String) {
    match &field.ty {
        Ty::Bool | Ty::Integer | Ty::Number => (field.ty.rust(), field.rust.clone()),
        Ty::Named(name) => (format!("impl Into<{name}>"), format!("{}.into()", field.rust)),
        Ty::List(of) => {
            let texts = match has_no_text(of) {
                true => format!("Into::<{}>::into).map(|value| value.to_string()).collect::<Vec<String>>", of.rust()),
                false => format!("Into::into).collect::<Vec<{}>>", of.rust()),
            };
            let of = of.rust();
            (
                format!("impl IntoIterator<Item = impl Into<{of}>>"),
                format!("&{}.into_iter().map({texts}()[..]", field.rust),
            )
        }
        _ => ("impl AsRef<str>".to_owned(), format!("{}.as_ref()", field.rust)),
    }
}

/// The types that a function mentions in its signature.
pub fn mentioned(function: &Function) -> String {
    let arguments = function.arguments.iter().map(|(_, ty)| ty.as_str());
    arguments.chain([function.answer.as_str()]).chain(function.params.as_deref()).flat_map(|ty| [ty, " "]).collect()
}

/// The name of a function under another namespace.
fn alias_name(alias: &str, function: &Function) -> String {
    format!("{}_{}", alias.replace('.', "_"), function.method.trim_start_matches("r#"))
}

/// The name of the static that describes an operation.
fn constant(function: &str) -> String {
    function.to_uppercase()
}

/// Writes `src/funcs`.
pub fn emit(context: &Context<'_>, files: &mut Files) {
    let mut by_namespace: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in &context.api.operations {
        by_namespace.entry(&operation.namespace).or_default().push(operation);
    }
    let mut root = format!(
        "{HEADER}//! The operations of the API as free functions. The binary of a program contains only the functions that it calls.\n//!\n//! A function describes its request and returns a [`Call`](crate::Call), which sends it when awaited.\n\n"
    );
    let mut exports = String::new();
    for (namespace, operations) in &by_namespace {
        let gate = gate([&(*namespace).to_owned()]);
        root.push_str(&format!("{gate}mod {namespace};\n"));
        let mut names = Vec::new();
        for operation in operations {
            for function in functions(operation) {
                let others = aliases(context, operation).into_iter().map(|alias| alias_name(alias, &function));
                names.extend([function.name.clone()].into_iter().chain(others));
            }
        }
        if operations.iter().any(|operation| operation.deprecated.is_some()) {
            exports.push_str("#[expect(deprecated, reason = \"each function says what to use instead\")]\n");
        }
        exports.push_str(&format!("{gate}pub use self::{namespace}::{{{}}};\n", names.join(", ")));
        files.insert(format!("src/funcs/{namespace}.rs"), file(context, namespace, operations));
    }
    root.push('\n');
    root.push_str(&exports);
    files.insert("src/funcs/mod.rs".to_owned(), root);
}

fn file(context: &Context<'_>, namespace: &str, operations: &[&Operation]) -> String {
    let mut body = String::new();
    let mut types = String::new();
    for operation in operations {
        for function in functions(operation) {
            types.push_str(&mentioned(&function));
            types.push_str(&function.body);
            let described = describe(operation, &function.name);
            body.push_str(&format!("\nstatic {}: Operation = {described};\n", constant(&function.name)));
            write_function(context, operation, &function, None, &mut body);
            for alias in aliases(context, operation) {
                write_function(context, operation, &function, Some(alias), &mut body);
            }
        }
    }
    let used = imports(&body);
    let models = imports_of(context, names_in(&types));
    format!("{HEADER}//! The operations of `{}`.\n\n{used}{models}{body}", feature(namespace))
}

/// The `use` lines for what a file of functions or of the facade mentions.
pub fn imports(body: &str) -> String {
    let mentioned = [
        ("Authentication::", "Authentication"),
        ("Call<", "Call"),
        ("Download", "Download"),
        ("EventStream<", "EventStream"),
        ("OpenRouterCore", "OpenRouterCore"),
        ("Operation::", "Operation"),
        ("Paging::", "Paging"),
        ("Parts::", "Parts"),
    ];
    let names: Vec<_> = mentioned.iter().filter(|(sign, _)| body.contains(sign)).map(|(_, name)| *name).collect();
    let maps = if body.contains("BTreeMap<") { "use std::collections::{BTreeMap, BTreeSet};\n\n" } else { "" };
    let borrow = if body.contains("Borrow<") { "use std::borrow::Borrow;\n" } else { "" };
    let method = if body.contains("Method::") { "use http::Method;\n\n" } else { "" };
    format!("{borrow}{maps}{method}use crate::core::{{{}}};\n", names.join(", "))
}

fn describe(operation: &Operation, function: &str) -> String {
    let mut text = format!(
        "Operation::new({}, Method::{}, {})",
        literal(&operation.id),
        operation.method,
        literal(&operation.path)
    );
    text.push_str(&format!(".with_function({})", literal(function)));
    if operation.authentication != "Required" {
        text.push_str(&format!(".with_authentication(Authentication::{})", operation.authentication));
    }
    if operation.repeatable {
        text.push_str(".with_repetition()");
    }
    if operation.metadata {
        text.push_str(".with_metadata_header()");
    }
    match &operation.paging {
        Some(Paging::Offset(limit)) => {
            text.push_str(&format!(".with_paging(Paging::Offset {{ default_limit: {limit:?} }})"))
        }
        Some(Paging::Cursor { parameter, .. }) => {
            text.push_str(&format!(".with_paging(Paging::Cursor({}))", literal(parameter)));
        }
        None => {}
    }
    if let Some(server) = &operation.server {
        text.push_str(&format!(".with_server({})", literal(server)));
    }
    text
}

/// Other namespaces under which the operation is offered too.
pub fn aliases<'a>(context: &'a Context<'_>, operation: &Operation) -> Vec<&'a str> {
    let list = context.by_hand.get(&format!("aliases of {}", operation.id));
    let own = |alias: &&str| alias.replace('.', "_") != operation.namespace;
    list.into_iter().flatten().map(String::as_str).filter(own).collect()
}

/// What an operation does, as doc lines for function and method.
pub fn operation_doc(
    context: &Context<'_>,
    operation: &Operation,
    function: &Function,
    out: &mut String,
    indent: &str,
) {
    let sentence = context
        .prose
        .get(&operation.id)
        .map_or_else(|| format!("Calls the operation `{}`.", operation.id), str::to_owned);
    let mut facts = Vec::new();
    if function.stream {
        facts.push("The response arrives as a stream of events.".to_owned());
    }
    facts.push(format!("`{} {}`, operation `{}`.", operation.method, operation.path, operation.id));
    match operation.authentication {
        "None" => facts.push("No key is sent.".to_owned()),
        "Optional" => facts.push("Works without a key.".to_owned()),
        _ => {}
    }
    if let Some(params) = &function.params {
        facts.push(format!("Optional parameters: `.params({params}::new()…)` on the call."));
    }
    if operation.paging.is_some() {
        facts.push("Paginated: `.pages()` and `.items()` on the call request the following pages.".to_owned());
    }
    doc(out, indent, &sentence, &facts);
}

/// The attribute of a function that the API has deprecated.
pub fn deprecation(operation: &Operation, indent: &str) -> String {
    match &operation.deprecated {
        Some(instead) if instead.is_empty() => format!("{indent}#[deprecated]\n"),
        Some(instead) => format!("{indent}#[deprecated(note = {})]\n", literal(instead)),
        None => String::new(),
    }
}

fn write_function(
    context: &Context<'_>,
    operation: &Operation,
    function: &Function,
    alias: Option<&str>,
    out: &mut String,
) {
    out.push('\n');
    if let Some(alias) = alias {
        let name = alias_name(alias, function);
        out.push_str(&format!("/// Same as [`{}`], under the name of the namespace `{alias}`.\n", function.name));
        let names: Vec<_> = function.arguments.iter().map(|(name, _)| name.clone()).collect();
        out.push_str(&deprecation(operation, ""));
        out.push_str(&signature(&name, function));
        out.push_str(&format!(" {{\n    {}(core, {})\n}}\n", function.name, names.join(", ")));
        return;
    }
    operation_doc(context, operation, function, out, "");
    out.push_str("///\n/// # Errors\n");
    let statuses: Vec<_> = operation.errors.iter().map(String::as_str).collect();
    out.push_str(&match statuses.as_slice() {
        [] => "/// [`Error`](crate::Error), if the call fails.\n".to_owned(),
        list => format!(
            "/// [`Error::Api`](crate::Error::Api) with status {}; other variants if no response was received.\n",
            list.join(", ")
        ),
    });
    let fields: Vec<_> =
        operation.path_parameters.iter().chain(&operation.required_query).chain(&operation.headers).collect();
    if !fields.is_empty() {
        out.push_str("///\n/// # Arguments\n");
    }
    for field in fields {
        let sentence = context.prose.get(&field.key).unwrap_or("See the API document.");
        out.push_str(&format!("/// - `{}`: {}\n", field.rust, super::escape(sentence)));
    }
    out.push_str(&deprecation(operation, ""));
    out.push_str(&signature(&function.name, function));
    let taking = if function.params.is_some() { ".taking()" } else { "" };
    out.push_str(&format!(" {{\n    Call::new(core, {}){taking}\n}}\n", function.body));
}

fn signature(name: &str, function: &Function) -> String {
    let arguments: String = function.arguments.iter().map(|(name, ty)| format!(", {name}: {ty}")).collect();
    format!("#[inline]\npub fn {name}(core: &OpenRouterCore{arguments}) -> {}", function.call())
}

/// The struct of the facade for a namespace.
pub fn facade_name(namespace: &str) -> String {
    pascal(&words(namespace))
}
