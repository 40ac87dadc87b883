//! The functions of the crate by method and path, for the replay of recorded exchanges.

use std::collections::BTreeSet;

use super::funcs::{Function, functions};
use super::{Context, Files, HEADER, literal, names_in};
use crate::model::{Answer, Body, Field, Kind, Operation, Presence, Ty};

/// Writes `examples/replay/functions.rs`.
pub fn emit(context: &Context<'_>, files: &mut Files) {
    let mut entries = String::new();
    for operation in &context.api.operations {
        for function in functions(operation) {
            entries.push_str(&entry(context, operation, &function));
        }
    }
    let used: BTreeSet<&str> = names_in(&entries).collect();
    let types = used.iter().filter(|name| context.homes.contains_key(*name)).map(|name| context.path(name));
    let types = types.chain(used.contains("FilePart").then(|| "FilePart".to_owned())).collect::<Vec<_>>().join(", ");
    let helpers = ["bytes", "events", "nothing", "value"];
    let helpers: String = helpers.iter().filter(|name| used.contains(**name)).map(|name| format!(", {name}")).collect();
    let text = format!(
        "{HEADER}//! The functions of the crate by method and path.\n\n\
         use openrouter_kit::funcs;\nuse openrouter_kit::models::{{{types}}};\n\n\
         use super::operations::{{Function{helpers}}};\n\n\
         #[allow(deprecated, reason = \"deprecated operations are recorded too\")]\n\
         pub(super) const FUNCTIONS: &[Function] = &[\n{entries}];\n"
    );
    files.insert("examples/replay/functions.rs".to_owned(), text);
}

fn entry(context: &Context<'_>, operation: &Operation, function: &Function) -> String {
    let fields = operation.path_parameters.iter().chain(&operation.required_query);
    let mut arguments: Vec<String> = fields.map(argument).collect();
    match &operation.body {
        Body::None => {}
        Body::Json(ty, _) | Body::Form(ty) => arguments.push(format!("given.body::<{}>()", ty.rust())),
        Body::Multipart(name) => arguments.push(form(context, name)),
    }
    arguments.extend(operation.headers.iter().map(|_| "None".to_owned()));
    let arguments: String = arguments.iter().map(|argument| format!(", {argument}")).collect();
    let given = if arguments.contains("given.") { "given" } else { "_" };
    let (streams, outcome) = match (&operation.answer, function.stream) {
        (Answer::Stream(_), _) | (Answer::JsonOrStream(..), true) => (true, "events"),
        (Answer::Json(_) | Answer::JsonOrStream(..), _) => (false, "value"),
        (Answer::Empty, _) => (false, "nothing"),
        (Answer::Bytes, _) => (false, "bytes"),
    };
    format!(
        "Function {{\nname: {},\nmethod: {},\npath: {},\nstreams: {streams},\n\
         call: |core, {given}| {outcome}(funcs::{}(core{arguments})),\n}},\n",
        literal(&function.name),
        literal(&operation.method),
        literal(&operation.path),
        function.name
    )
}

fn argument(field: &Field) -> String {
    let wire = literal(&field.wire);
    match &field.ty {
        Ty::Bool | Ty::Integer | Ty::Number => format!("given.parsed::<{}>({wire})", field.ty.rust()),
        Ty::List(of) if matches!(**of, Ty::Bool | Ty::Integer | Ty::Number) => {
            format!("[given.parsed::<{}>({wire})]", of.rust())
        }
        Ty::List(_) => format!("[given.text({wire})]"),
        Ty::Bytes => format!("FilePart::from_bytes(\"file\", given.text({wire}))"),
        _ => format!("given.text({wire})"),
    }
}

/// The struct of a form with the required parts.
fn form(context: &Context<'_>, name: &str) -> String {
    let fields = match context.api.find(name).map(|ty| &ty.kind) {
        Some(Kind::Form(fields)) => fields.as_slice(),
        _ => &[],
    };
    let required = fields.iter().filter(|field| field.presence == Presence::Required).map(argument);
    format!("{name}::new({})", required.collect::<Vec<_>>().join(", "))
}
