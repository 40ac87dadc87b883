//! The registry of the generator's own tests: every type by its place in the document, every function by its operation.
//!
//! It says how a value is passed and nothing else. The expected result is in the document; the tests read it
//! there by themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::funcs::{Function, aliases, functions};
use super::models::{Made, TEXTS, is_text_part, made_unions};
use super::{Context, Files, HEADER, literal, names_in};
use crate::model::{Answer, Body, Field, Kind, Operation, Presence, Ty};

/// Writes `codegen/tests/api/registry.rs`.
pub fn emit(context: &Context<'_>, components: &BTreeMap<String, String>, files: &mut Files) {
    let mut types: BTreeMap<String, String> = components.clone();
    for ty in &context.api.types {
        if !matches!(ty.kind, Kind::Parameters(_) | Kind::Form(_)) {
            types.extend([&ty.key].into_iter().chain(&ty.places).map(|place| (place.clone(), ty.name.clone())));
        }
    }
    let mut entries = String::new();
    let mut bodies = String::new();
    for operation in &context.api.operations {
        for (part, ty) in parts(operation) {
            types.insert(format!("{}.{part}", operation.id), ty.rust());
        }
        for function in functions(operation) {
            let method = function.method.trim_start_matches("r#");
            let own = (function.name.clone(), operation.namespace.clone());
            let others = aliases(context, operation)
                .into_iter()
                .map(|alias| (format!("{}_{method}", alias.replace('.', "_")), alias.replace('.', "().")));
            for (name, namespace) in [own].into_iter().chain(others) {
                entries.push_str(&format!("    ({}, {}, {name}),\n", literal(&operation.id), literal(&name)));
                bodies.push_str(&calling(context, operation, &function, &name, &namespace));
            }
        }
    }
    let modules: BTreeSet<_> = context.homes.values().map(|home| format!("{home}::*")).collect();
    let mut made = String::new();
    write_made(context, &mut made);
    let used: BTreeSet<&str> =
        types.values().flat_map(|ty| names_in(ty)).chain(names_in(&bodies)).chain(names_in(&made)).collect();
    let plain =
        ["FilePart", "Json", "JsonObject", "Secret"].into_iter().filter(|name| used.contains(name)).map(str::to_owned);
    let modules = plain.chain(modules).collect::<Vec<_>>().join(", ");
    let mut out = format!(
        "{HEADER}//! Every type of the crate by its place in the document, and every operation with the two ways to call it.\n\n\
         use std::collections::BTreeMap;\n\nuse openrouter_kit::models::{{{modules}}};\nuse openrouter_kit::{{OpenRouter, funcs}};\n\n\
         use crate::support::*;\n\n\
         /// The place of a type, and the type.\n\
         pub(crate) const TYPES: &[(&str, Known)] = &[\n"
    );
    for (place, ty) in &types {
        out.push_str(&format!("    ({}, Known::of::<{ty}>({})),\n", literal(place), literal(ty)));
    }
    out.push_str("];\n\n/// The members that are never printed, each with the type that has it.\n");
    out.push_str("pub(crate) const SECRETS: &[(&str, Known)] = &[\n");
    for ty in &context.api.types {
        let Kind::Struct(own) = &ty.kind else { continue };
        for field in own.fields.iter().filter(|field| matches!(field.ty, Ty::Secret(_))) {
            let name = &ty.name;
            out.push_str(&format!("    ({}, Known::of::<{name}>({})),\n", literal(&field.wire), literal(name)));
        }
    }
    out.push_str("];\n");
    out.push_str(&made);
    out.push_str("\n/// The operation, the function, and how to call it both ways.\n");
    out.push_str(&format!("pub(crate) const OPERATIONS: &[(&str, &str, Calling)] = &[\n{entries}];\n{bodies}"));
    files.insert("codegen/tests/api/registry.rs".to_owned(), out);
}

/// Writes what makes values in other ways than from JSON: setters, conversions, constructors; and the methods that read.
fn write_made(context: &Context<'_>, out: &mut String) {
    let mut tables: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for ty in &context.api.types {
        let name = &ty.name;
        let mut add = |table, entry: String| tables.entry(table).or_default().push(entry);
        match &ty.kind {
            Kind::Struct(own) if ty.request => {
                add(
                    ("BUILDS: &[(&str, Build)]", "Types that are built through `new` and setters."),
                    build(name, &own.fields),
                );
                if is_text_part(context, &Ty::Named(name.clone())) {
                    add(TEXTS, format!("({}, of_text::<{name}>)", literal(name)));
                }
            }
            Kind::Union(union) => {
                made_unions(context, ty, union).into_iter().for_each(|Made { table, entry }| add(table, entry));
            }
            _ => {}
        }
    }
    for name in pages(context) {
        let table = ("PAGES: &[(&str, Convert)]", "The responses that are pages of lists.");
        tables.entry(table).or_default().push(format!("({}, page::<{name}>)", literal(&name)));
    }
    for ((head, sentence), entries) in tables {
        out.push_str(&format!("\n/// {sentence}\npub(crate) const {head} = &[\n"));
        out.extend(entries.iter().map(|entry| format!("    {entry},\n")));
        out.push_str("];\n");
    }
}

/// How a type is built from its members.
fn build(name: &str, fields: &[Field]) -> String {
    let value = |field: &Field| format!("m.get::<{}>({})", field.ty.rust(), literal(&field.wire));
    let (required, optional): (Vec<&Field>, Vec<&Field>) =
        fields.iter().partition(|field| field.presence == Presence::Required);
    let required: Vec<_> = required.into_iter().map(value).collect();
    let setters: String = optional.into_iter().map(|field| format!(".{}({})", field.rust, value(field))).collect();
    format!("({}, |m| built(m, {name}::new({}), |v| v{setters}))", literal(name), required.join(", "))
}

/// The types that are pages.
fn pages(context: &Context<'_>) -> BTreeSet<String> {
    let of = |operation: &Operation| match (&operation.answer, &operation.paging) {
        (Answer::Json(Ty::Named(name)), Some(_)) => Some(name.clone()),
        _ => None,
    };
    context.api.operations.iter().filter_map(of).collect()
}

/// Writes `tests/reference/roots.rs`, for tests of the crate that look at everything that may arrive.
pub fn emit_roots(context: &Context<'_>, files: &mut Files) {
    let mut roots = BTreeSet::new();
    for operation in &context.api.operations {
        let received = parts(operation).into_iter().filter(|(part, _)| *part != "request");
        roots.extend(received.filter(|(_, ty)| matches!(ty, Ty::Named(_))).map(|(_, ty)| ty.rust()));
    }
    let paths = roots.iter().filter(|name| !context.front.contains(*name)).map(|name| context.path(name));
    let paths = paths.collect::<Vec<_>>().join(", ");
    let types = match paths.as_str() {
        "" => String::new(),
        paths => format!(
            "/// Those of the types that are only in modules of their namespaces.\n\
             pub(crate) mod types {{\n    pub(crate) use openrouter_kit::models::{{{paths}}};\n}}\n\n"
        ),
    };
    let list: String = roots.iter().map(|name| format!("            {name}\n")).collect();
    let text = format!(
        "{HEADER}//! The types of all responses.\n\n\
         {types}\
         /// Hands the types of all responses and events to a macro.\n\
         macro_rules! with_roots {{\n    ($macro:ident) => {{\n        $macro! {{\n{list}        }}\n    }};\n}}\n\n\
         pub(crate) use with_roots;\n"
    );
    files.insert("tests/reference/roots.rs".to_owned(), text);
}

/// The types of an operation by what they are to it.
fn parts(operation: &Operation) -> Vec<(&'static str, &Ty)> {
    let mut parts = Vec::new();
    if let Body::Json(ty, _) | Body::Form(ty) = &operation.body {
        parts.push(("request", ty));
    }
    match &operation.answer {
        Answer::Json(ty) => parts.push(("response", ty)),
        Answer::Stream(event) => parts.push(("event", event)),
        Answer::JsonOrStream(ty, event) => parts.extend([("response", ty), ("event", event)]),
        Answer::Empty | Answer::Bytes => {}
    }
    parts
}

/// A function that calls an operation as a function and as a method, under one of its names.
fn calling(context: &Context<'_>, operation: &Operation, function: &Function, name: &str, namespace: &str) -> String {
    let mut arguments: Vec<String> = Vec::new();
    let fields = operation.path_parameters.iter().chain(&operation.required_query);
    arguments.extend(fields.map(|field| given(field, &format!("given.text({})", literal(&field.wire)))));
    match &operation.body {
        Body::None => {}
        Body::Json(ty, _) | Body::Form(ty) => arguments.push(format!("given.body::<{}>()", ty.rust())),
        Body::Multipart(name) => arguments.push(form(context, name)),
    }
    arguments
        .extend(operation.headers.iter().map(|field| format!("given.optional({}).as_deref()", literal(&field.wire))));
    let params =
        operation.query.as_ref().map_or_else(String::new, |name| format!(".params({})", parameters(context, name)));
    let arguments = arguments.join(", ");
    let outcome = match (&operation.answer, function.stream) {
        (Answer::Empty, _) => "nothing",
        (Answer::Bytes, _) => "bytes",
        (Answer::Stream(_), _) | (Answer::JsonOrStream(..), true) => "events",
        (Answer::Json(_) | Answer::JsonOrStream(..), _) => "value",
    };
    let separator = if arguments.is_empty() { "" } else { ", " };
    format!(
        "\n#[allow(deprecated, unused_variables)]\nfn {name}<'a>(client: &'a OpenRouter, given: &'a Given) -> Both<'a> {{\n    \
         [{outcome}(funcs::{name}(client.core(){separator}{arguments}){params}), \
         {outcome}(client.{namespace}().{method}({arguments}){params})]\n}}\n",
        method = function.method,
    )
}

/// A parameter from the text that is given for it.
fn given(field: &Field, text: &str) -> String {
    match &field.ty {
        Ty::Bool | Ty::Integer | Ty::Number => format!("{text}.parse::<{}>().expect(\"a value\")", field.ty.rust()),
        Ty::List(of) if matches!(**of, Ty::Bool | Ty::Integer | Ty::Number) => {
            format!("[{text}.parse::<{}>().expect(\"a value\")]", of.rust())
        }
        Ty::List(_) => format!("[{text}]"),
        Ty::Bytes => format!("FilePart::from_bytes(\"file.bin\", {text})"),
        _ => text.to_owned(),
    }
}

/// The struct of optional parameters, with those that are given.
fn parameters(context: &Context<'_>, name: &str) -> String {
    let Some(Kind::Parameters(fields)) = context.api.find(name).map(|ty| &ty.kind) else { return String::new() };
    set(&format!("{name}::new()"), fields)
}

/// The struct of a form, with the parts that are given.
fn form(context: &Context<'_>, name: &str) -> String {
    let Some(Kind::Form(fields)) = context.api.find(name).map(|ty| &ty.kind) else { return String::new() };
    let (required, optional): (Vec<Field>, Vec<Field>) =
        fields.iter().cloned().partition(|field| field.presence == Presence::Required);
    let required: Vec<_> =
        required.iter().map(|field| given(field, &format!("given.text({})", literal(&field.wire)))).collect();
    set(&format!("{name}::new({})", required.join(", ")), &optional)
}

fn set(start: &str, fields: &[Field]) -> String {
    let mut code = format!("{{ let mut all = {start};\n");
    for field in fields {
        let wire = literal(&field.wire);
        let value = given(field, "text");
        code.push_str(&format!(
            "if let Some(text) = given.optional({wire}) {{ all = all.{}({value}); }}\n",
            field.rust
        ));
    }
    if fields.is_empty() {
        return start.to_owned();
    }
    code + "all }"
}
