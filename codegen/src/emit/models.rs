//! The types.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Files, HEADER, doc, escape, feature, field_doc, imports_of, literal};
use crate::graph::mentioned;
use crate::model::{Answer, Condition, Field, Kind, Operation, Paging, Presence, Struct, Ty, Type, Union, Variant};
use crate::names::{identifier, pascal, words};

/// Writes `src/models`.
pub fn emit(context: &Context<'_>, files: &mut Files) {
    let mut by_module: BTreeMap<&str, Vec<&Type>> = BTreeMap::new();
    for ty in &context.api.types {
        by_module.entry(ty.module.as_str()).or_default().push(ty);
    }
    let answers = Answers::of(context);
    let mut parts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, types) in &by_module {
        let (home, part) = module.split_once('/').unwrap_or((module, ""));
        parts.entry(home).or_default();
        if !part.is_empty() {
            parts.entry(home).or_default().insert(part);
        }
        let mut body = String::new();
        for ty in types {
            body.push('\n');
            write_type(context, &answers, ty, &mut body);
        }
        let about = if part.is_empty() { about(context, home) } else { format!("//! {}\n", title(home, part)) };
        let out = format!("{HEADER}{about}\n{}{body}", imports(context, types, &body));
        let path =
            if part.is_empty() { format!("src/models/{home}.rs") } else { format!("src/models/{home}/{part}.rs") };
        files.insert(path, out);
    }

    let mut root = format!(
        "{HEADER}//! Every type of the API: plain data, one type for one thing.\n//!\n\
         //! Each namespace is a module. The types that most programs use are also here.\n//!\n\
         //! Requests are created with `new` (with the required fields) and setters named like the other fields. Responses \
         keep what\n//! this version does not know: enums and unions have a variant `Unrecognized`, objects a field \
         `extra`.\n\n\
         pub use crate::core::FilePart;\n\
         pub use crate::core::wire::{{Extra, Json, JsonObject, Patch, Secret, Unrecognized}};\n\n"
    );
    for (home, own) in &parts {
        root.push_str(&context.gate(home));
        if *home == "models" {
            root.push_str("#[expect(clippy::module_inception, reason = \"it is the name of a namespace\")]\n");
        }
        root.push_str(&format!("pub mod {home};\n"));
        if !own.is_empty() {
            let mut out = format!("{HEADER}{}\n", about(context, home));
            for part in own {
                out.push_str(&format!("mod {part};\n"));
            }
            for part in own {
                let types = by_module.get(format!("{home}/{part}").as_str()).into_iter().flatten();
                let names: BTreeSet<_> = types.map(|ty| ty.name.as_str()).collect();
                out.push_str(&format!("\npub use self::{part}::{};\n", list(names)));
            }
            files.insert(format!("src/models/{home}/mod.rs"), out);
        }
    }
    root.push('\n');
    for home in parts.keys() {
        let is_front = |name: &&str| context.homes.get(name) == Some(home) && context.front.contains(*name);
        let names: BTreeSet<_> = context.homes.keys().copied().filter(is_front).collect();
        if !names.is_empty() {
            root.push_str(&format!("{}pub use self::{home}::{};\n", context.gate(home), list(names)));
        }
    }
    files.insert("src/models/mod.rs".to_owned(), root);
}

/// Names in braces.
fn list(names: BTreeSet<&str>) -> String {
    format!("{{{}}}", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// What a module holds, as its doc lines.
fn about(context: &Context<'_>, home: &str) -> String {
    let sentence = context.about.get(home).map_or_else(String::new, |text| format!("//!\n//! {}\n", escape(text)));
    format!("//! The types of `{}`.\n{sentence}", feature(home))
}

/// The `use` lines for what a file of models mentions.
fn imports(context: &Context<'_>, types: &[&Type], body: &str) -> String {
    let maps = if body.contains("BTreeMap<") { "use std::collections::BTreeMap;\n\n" } else { "" };
    let list = |path: &str, signs: &[(&str, &str)]| {
        let names: Vec<_> = signs.iter().filter(|(sign, _)| body.contains(sign)).map(|(_, name)| *name).collect();
        if names.is_empty() { String::new() } else { format!("use {path}::{{{}}};\n", names.join(", ")) }
    };
    let macros = [
        ("impl Root for", "Root"),
        ("impl StreamItem for", "Wire"),
        ("wire_enum!", "wire_enum"),
        ("wire_setters!", "wire_setters"),
        ("wire_struct!", "wire_struct"),
        ("wire_text!", "wire_text"),
        ("wire_texts!", "wire_texts"),
        ("wire_numbers!", "wire_numbers"),
        ("wire_union!", "wire_union"),
        ("json(&mark)", "json"),
        ("of_tag(", "of_tag"),
        ("IntoList<", "IntoList"),
        ("IntoNumber<", "IntoNumber"),
    ];
    let core = [
        ("into_multipart", "Multipart"),
        ("impl Page for", "Page"),
        ("impl Parameters for", "Parameters"),
        ("parts: Parts", "Parts"),
        ("impl StreamItem for", "StreamItem"),
    ];
    let mut used: BTreeSet<String> = types.iter().flat_map(|ty| mentioned(&ty.kind)).collect();
    for ty in types {
        used.extend(plain_names(&ty.kind).into_iter().map(str::to_owned));
        used.extend(shared_fields(context, ty).filter(|name| is_used(body, name)));
        used.remove(&ty.name);
    }
    let own: BTreeSet<&str> = types.iter().map(|ty| ty.name.as_str()).collect();
    let types = imports_of(context, used.iter().map(String::as_str).filter(|name| !own.contains(name)));
    format!("{maps}{}{}{types}", list("crate::core::wire", &macros), list("crate::core", &core))
}

/// The types of the fields of a union's objects, of which methods of the union may speak.
fn shared_fields<'a>(context: &'a Context<'_>, ty: &'a Type) -> impl Iterator<Item = String> + 'a {
    let union = match &ty.kind {
        Kind::Union(union) => branches(context, union).unwrap_or_default(),
        _ => Vec::new(),
    };
    union.into_iter().flat_map(|(_, own)| &own.fields).filter_map(|field| field.ty.named().map(str::to_owned))
}

/// Whether code uses a name as a type: as an argument of another, or behind a reference.
fn is_used(code: &str, name: &str) -> bool {
    [format!("<{name}>"), format!("&{name}"), format!("[{name}]")].iter().any(|sign| code.contains(sign))
}

/// The types of the runtime that a type mentions.
fn plain_names(kind: &Kind) -> BTreeSet<&'static str> {
    fn of(ty: &Ty) -> Option<&'static str> {
        match ty {
            Ty::Json => Some("Json"),
            Ty::JsonObject => Some("JsonObject"),
            Ty::Bytes => Some("FilePart"),
            Ty::List(of_list) | Ty::Map(of_list) => of(of_list),
            _ => None,
        }
    }
    let secret = |ty: &Ty| match ty {
        Ty::Secret(inner) => vec![Some("Secret"), of(inner)],
        other => vec![of(other)],
    };
    let fields: &[Field] = match kind {
        Kind::Struct(own) => &own.fields,
        Kind::Parameters(fields) | Kind::Form(fields) => fields,
        _ => &[],
    };
    let mut names: BTreeSet<_> = fields.iter().flat_map(|field| secret(&field.ty)).flatten().collect();
    match kind {
        Kind::Struct(own) => {
            names.insert("Extra");
            names.extend(own.fields.iter().any(|field| field.presence == Presence::Patched).then_some("Patch"));
        }
        Kind::Union(union) => {
            names.insert("Unrecognized");
            names.extend(union.variants.iter().flat_map(|variant| secret(&variant.ty)).flatten());
        }
        Kind::Alias(ty) => names.extend(secret(ty).into_iter().flatten()),
        _ => {}
    }
    names
}

fn title(home: &str, part: &str) -> String {
    let what = match part {
        "events" => "The events of streams.",
        "request" => "Types that are only sent.",
        "response" => "Types that are only received.",
        "content" => "Types that are sent and received.",
        _ => return format!("Types of `{}`.", feature(home)),
    };
    format!("Types of `{}`. {what}", feature(home))
}

/// What the types are to the operations.
struct Answers {
    roots: BTreeSet<String>,
    events: BTreeSet<String>,
    pages: BTreeMap<String, Paging>,
    changed: BTreeMap<String, Vec<String>>,
}

impl Answers {
    fn of(context: &Context<'_>) -> Self {
        let mut answers =
            Self { roots: BTreeSet::new(), events: BTreeSet::new(), pages: BTreeMap::new(), changed: BTreeMap::new() };
        for operation in &context.api.operations {
            let (json, event) = match &operation.answer {
                Answer::Json(ty) => (Some(ty), None),
                Answer::JsonOrStream(ty, event) => (Some(ty), Some(event)),
                Answer::Stream(event) => (None, Some(event)),
                Answer::Empty | Answer::Bytes => (None, None),
            };
            if let Some(name) = json.and_then(Ty::named) {
                answers.roots.insert(name.to_owned());
                if let Some(paging) = &operation.paging {
                    answers.pages.insert(name.to_owned(), paging.clone());
                }
                answers.changed.entry(name.to_owned()).or_default().push(operation.function());
            }
            if let Some(name) = event.and_then(Ty::named) {
                answers.events.insert(name.to_owned());
            }
        }
        answers
    }
}

fn write_type(context: &Context<'_>, answers: &Answers, ty: &Type, out: &mut String) {
    type_doc(context, answers, ty, out);
    match &ty.kind {
        Kind::Struct(own) => structure(context, ty, own, out),
        Kind::Enum(values) => {
            out.push_str(&format!(
                "#[derive(Clone, Debug, PartialEq, Eq, Hash)]\n#[non_exhaustive]\npub enum {} {{\n",
                ty.name
            ));
            for value in values {
                let sentence = context.prose.get(&format!("{}={}", ty.key, value.wire));
                doc(out, "    ", &sentence.map_or_else(|| format!("The value `{}`.", value.wire), str::to_owned), &[]);
                out.push_str(&format!("    {},\n", value.rust));
            }
            out.push_str("    /// A value this version of the crate does not know, verbatim.\n    Unrecognized(Box<str>),\n}\n\n");
            out.push_str(&format!("wire_enum!({} {{\n", ty.name));
            for value in values {
                out.push_str(&format!("    {} = {},\n", value.rust, literal(&value.wire)));
            }
            out.push_str("});\n");
        }
        Kind::Union(union) => write_union(context, ty, union, out),
        Kind::Alias(other) => out.push_str(&format!("pub type {} = {};\n", ty.name, other.rust())),
        Kind::Parameters(fields) => parameters(context, ty, fields, out),
        Kind::Form(fields) => form(context, ty, fields, out),
    }
    if matches!(ty.kind, Kind::Struct(_) | Kind::Union(_)) {
        if answers.roots.contains(&ty.name) && !context.is_by_hand("roots", &ty.name) {
            out.push_str(&format!("\nimpl Root for {} {{}}\n", ty.name));
        }
        if answers.events.contains(&ty.name) && !context.is_by_hand("streams", &ty.name) {
            out.push_str(&format!(
                "\nimpl StreamItem for {} {{\n    const END_IS_MARKED: bool = false;\n\n    fn is_terminal(&self) -> bool {{\n        false\n    }}\n\n    fn reports_error(&self) -> bool {{\n        self.extra().is_some_and(|extra| extra.get(\"error\").is_some_and(|error| !error.is_null()))\n    }}\n}}\n",
                ty.name
            ));
        }
        if let (Some(paging), Kind::Struct(own)) = (answers.pages.get(&ty.name), &ty.kind)
            && !context.is_by_hand("pages", &ty.name)
        {
            page(ty, own, paging, out);
        }
    }
}

fn type_doc(context: &Context<'_>, answers: &Answers, ty: &Type, out: &mut String) {
    let operation = context.api.operations.iter().find(|operation| {
        ty.key
            .strip_prefix(&operation.id)
            .is_some_and(|rest| matches!(rest, "()" | ".request" | ".response" | ".multipart"))
    });
    let given = context.prose.of_type(ty).map(str::to_owned);
    let sentence =
        given.or_else(|| operation.map(|operation| of_operation(operation, ty))).unwrap_or_else(|| match &ty.kind {
            Kind::Enum(_) => format!("The values of `{}`.", ty.key),
            Kind::Union(_) => format!("The forms of `{}`.", ty.key),
            _ => format!("The object at `{}`.", ty.key),
        });
    let component = !ty.key.contains(['.', '[', '{', '|', '(']);
    let mut facts = Vec::new();
    if component {
        facts.push(format!("Schema `{}` of the API document.", ty.key));
    } else if operation.is_none() {
        facts.push(format!("At `{}` in the API document.", ty.key));
    }
    doc(out, "", &sentence, &facts);
    if let Some(functions) = answers.changed.get(&ty.name) {
        let links = functions.iter().take(4).map(|function| format!("[`{function}`](crate::funcs::{function})"));
        out.push_str(&format!("///\n/// Returned by {}.\n", links.collect::<Vec<_>>().join(",\n/// ")));
    }
    if ty.deprecated {
        out.push_str("///\n/// Deprecated by the API.\n");
    }
    for alias in ty.aliases.iter().filter(|alias| **alias != ty.name) {
        out.push_str(&format!("#[doc(alias = {})]\n", literal(alias)));
    }
}

fn of_operation(operation: &Operation, ty: &Type) -> String {
    let function = operation.function();
    match &ty.kind {
        Kind::Parameters(_) => {
            format!("The optional parameters of `{function}`. The server's defaults apply to those that are omitted.")
        }
        Kind::Form(_) => format!("The form that `{function}` sends."),
        _ if ty.key.ends_with(".request") => format!("The body of `{function}`."),
        _ => format!("The response of `{function}`."),
    }
}

fn structure(context: &Context<'_>, ty: &Type, own: &Struct, out: &mut String) {
    let required = own.fields.iter().any(|field| field.presence == Presence::Required);
    let default = if ty.request && !required { "Default, " } else { "" };
    out.push_str(&format!(
        "#[derive(Clone, Debug, {default}PartialEq)]\n#[non_exhaustive]\npub struct {} {{\n",
        ty.name
    ));
    for field in &own.fields {
        field_doc(context, out, "    ", field);
        let of = match field.presence {
            Presence::Required => field.rust_type(),
            Presence::Nullable | Presence::Optional => format!("Option<{}>", field.rust_type()),
            Presence::Patched => format!("Patch<{}>", field.rust_type()),
        };
        out.push_str(&format!("    pub {}: {of},\n", field.rust));
    }
    out.push_str("    /// Fields that this type does not know; see [`Extra`].\n    pub extra: Extra,\n}\n\n");
    let constants: Vec<_> = own.constants.iter().map(|(name, value)| format!("{} = {value}", literal(name))).collect();
    let constants = if constants.is_empty() { String::new() } else { format!(" [{}]", constants.join(", ")) };
    if own.fields.is_empty() {
        out.push_str(&format!("wire_struct!({}{constants} {{}});\n", ty.name));
    } else {
        out.push_str(&format!("wire_struct!({}{constants} {{\n", ty.name));
        for (index, field) in own.fields.iter().enumerate() {
            let name = if field.rust == field.wire { String::new() } else { format!(" as {}", literal(&field.wire)) };
            out.push_str(&format!("    {}{name}: {:?} = {index},\n", field.rust, field.presence));
        }
        out.push_str("});\n");
    }
    if ty.request {
        constructor(ty, &own.fields, "extra: Extra::new(),", out);
        if is_text_part(context, &Ty::Named(ty.name.clone())) {
            out.push_str(&format!("\nwire_text!({}, text => Self::new(text));\n", ty.name));
        }
        setters(context, &ty.name, &own.fields, out);
    }
}

/// How an argument is taken, and the expression for the value of its field.
fn argument(field: &Field) -> (String, String) {
    let name = &field.rust;
    match &field.ty {
        Ty::Bool => (field.ty.rust(), name.clone()),
        Ty::Integer | Ty::Number => (format!("impl IntoNumber<{}>", field.ty.rust()), format!("{name}.into_number()")),
        Ty::List(of) => (format!("impl IntoList<{}, {}>", of.rust(), form_of(field)), format!("{name}.into_list()")),
        Ty::Map(of) => (
            format!("impl IntoIterator<Item = (impl Into<String>, impl Into<{}>)>", of.rust()),
            format!("{name}.into_iter().map(|(name, value)| (name.into(), value.into())).collect()"),
        ),
        ty if field.boxed => (format!("impl Into<{}>", ty.rust()), format!("Box::new({name}.into())")),
        ty => (format!("impl Into<{}>", ty.rust()), format!("{name}.into()")),
    }
}

/// The type parameter for the form of a list.
fn form_of(field: &Field) -> String {
    pascal(&words(field.rust.trim_start_matches("r#")))
}

/// The type parameters for the forms of the lists among the arguments.
fn forms<'a>(fields: impl IntoIterator<Item = &'a Field>) -> String {
    let forms: Vec<_> = fields.into_iter().filter(|field| matches!(field.ty, Ty::List(_))).map(form_of).collect();
    if forms.is_empty() { String::new() } else { format!("<{}>", forms.join(", ")) }
}

fn constructor(ty: &Type, fields: &[Field], rest: &str, out: &mut String) {
    let required: Vec<_> = fields.iter().filter(|field| field.presence == Presence::Required).collect();
    let arguments: Vec<_> = required.iter().map(|field| format!("{}: {}", field.rust, argument(field).0)).collect();
    let derives_default = required.is_empty();
    out.push_str(&format!("\nimpl {} {{\n", ty.name));
    let what = if required.is_empty() {
        "Creates a value without fields.".to_owned()
    } else {
        "Creates a value with the required fields.".to_owned()
    };
    out.push_str(&format!("    /// {what}\n    #[inline]\n"));
    if required.len() > 7 {
        out.push_str("    #[expect(clippy::too_many_arguments, reason = \"the API requires them all\")]\n");
    }
    let forms = forms(required.iter().copied());
    out.push_str(&format!("    pub fn new{forms}({}) -> Self {{\n", arguments.join(", ")));
    if derives_default {
        out.push_str("        Self::default()\n    }\n}\n");
        return;
    }
    out.push_str("        Self {\n");
    for field in fields {
        let value = match field.presence {
            Presence::Required => match argument(field).1 {
                value if value == field.rust => value,
                value => format!("{}: {value}", field.rust),
            },
            Presence::Nullable | Presence::Optional => format!("{}: None", field.rust),
            Presence::Patched => format!("{}: Patch::Keep", field.rust),
        };
        out.push_str(&format!("            {value},\n"));
    }
    if !rest.is_empty() {
        out.push_str(&format!("            {rest}\n"));
    }
    out.push_str("        }\n    }\n}\n");
}

fn setters(context: &Context<'_>, name: &str, fields: &[Field], out: &mut String) {
    out.push_str(&format!("\nwire_setters!({name} {{\n"));
    for field in fields.iter().filter(|field| field.presence != Presence::Required) {
        let kind = match (&field.presence, &field.ty) {
            (Presence::Patched, _) => format!("patch {}", field.rust_type()),
            (_, ty @ Ty::Bool) => format!("exact {}", ty.rust()),
            (_, ty @ (Ty::Integer | Ty::Number)) => format!("number {}", ty.rust()),
            (_, Ty::List(of)) => format!("list {}", of.rust()),
            (_, Ty::Map(of)) => format!("map {}", of.rust()),
            (_, ty) if field.boxed => format!("boxed {}", ty.rust()),
            (_, ty) => format!("into {}", ty.rust()),
        };
        setter_doc(context, field, out);
        out.push_str(&format!("    {}: {kind},\n", field.rust));
    }
    out.push_str("});\n");
}

/// Writes the docs of a setter: what it accepts, and the sentence of its field.
fn setter_doc(context: &Context<'_>, field: &Field, out: &mut String) {
    let name = field.rust.trim_start_matches("r#");
    let takes = match (&field.presence, &field.ty) {
        (Presence::Patched, _) => format!("Changes `{name}`; a plain value sets it, `Patch::Clear` clears it."),
        (_, Ty::List(_)) => format!("Sets `{name}`, from one element or a list."),
        (_, Ty::Map(_)) => format!("Sets `{name}`, from a map or from pairs of name and value."),
        _ => format!("Sets `{name}`."),
    };
    let sentence = context.prose.get(&field.key).map_or(takes.clone(), |sentence| format!("{takes} {sentence}"));
    doc(out, "    ", &sentence, &[]);
}

fn conditions(list: &[Condition]) -> String {
    let one = |condition: &Condition| match condition {
        Condition::Has(name) => format!("Has({})", literal(name)),
        Condition::Lacks(name) => format!("Lacks({})", literal(name)),
        Condition::Is(name, value) => format!("Is({}, {})", literal(name), literal(value)),
    };
    match list {
        [] => String::new(),
        list => format!("if ({}) ", list.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

fn write_union(context: &Context<'_>, ty: &Type, union: &Union, out: &mut String) {
    out.push_str(&format!("#[derive(Clone, Debug, PartialEq)]\n#[non_exhaustive]\npub enum {} {{\n", ty.name));
    for variant in &union.variants {
        let of_type =
            variant.ty.named().and_then(|name| context.api.find(name)).filter(|_| matches!(variant.ty, Ty::Named(_)));
        let sentence =
            of_type.and_then(|ty| context.prose.get(&ty.key)).map(str::to_owned).unwrap_or_else(|| match &variant.ty {
                Ty::String => "Plain text.".to_owned(),
                Ty::List(_) => "A list.".to_owned(),
                Ty::Integer | Ty::Number => "A number.".to_owned(),
                Ty::Bool => "A boolean.".to_owned(),
                _ => "One of the forms of this value.".to_owned(),
            });
        let facts: Vec<_> = match variant.tags.as_slice() {
            [] => Vec::new(),
            tags => vec![format!(
                "`{}` is {}.",
                union.tag,
                tags.iter().map(|tag| format!("`{tag}`")).collect::<Vec<_>>().join(" or ")
            )],
        };
        doc(out, "    ", &sentence, &facts);
        let inner = if variant.boxed { format!("Box<{}>", variant.ty.rust()) } else { variant.ty.rust() };
        out.push_str(&format!("    {}({inner}),\n", variant.rust));
    }
    out.push_str(
        "    /// A value that matches none of these types, kept whole.\n    Unrecognized(Unrecognized),\n}\n\n",
    );
    let name = |index: usize| union.variants.get(index).map(|variant| variant.rust.as_str()).unwrap_or_default();
    let block = |out: &mut String, head: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("    {head} {{\n        {}\n    }}\n", lines.join("\n        ")));
        }
    };
    out.push_str(&format!("wire_union!({} {{\n", ty.name));
    let tagged = union
        .tagged
        .iter()
        .map(|(value, when, index)| format!("{} {}=> {},", literal(value), conditions(when), name(*index)));
    block(out, &format!("tag {}", literal(&union.tag)), tagged.collect());
    block(
        out,
        "objects",
        union.objects.iter().map(|(when, index)| format!("{}=> {},", conditions(when), name(*index))).collect(),
    );
    let shape = |(shape, of, index): &(_, Option<_>, usize)| {
        let of = of.map_or_else(String::new, |of| format!("({of:?})"));
        format!("{shape:?}{of} => {},", name(*index))
    };
    // A list of certain elements is looked for before any list.
    let mut shapes = union.shapes.clone();
    shapes.sort_by_key(|(_, of, _)| of.is_none());
    block(out, "shapes", shapes.iter().map(shape).collect());
    block(
        out,
        "variants",
        union.variants.iter().enumerate().map(|(index, variant)| format!("{} = {index},", variant.rust)).collect(),
    );
    out.push_str("});\n");

    conversions(context, ty, union, out);
    if ty.request {
        shortcuts(context, ty, union, out);
        mark(context, ty, union, out);
    }
    if ty.response {
        accessors(context, ty, union, out);
    }
}

/// An entry of a table in the registry of the tests, for code of a union that the tests call.
pub(super) struct Made {
    /// The declaration of the table, and what it holds.
    pub(super) table: (&'static str, &'static str),
    /// The entry.
    pub(super) entry: String,
}

pub(super) const TEXTS: (&str, &str) = ("TEXTS: &[(&str, Convert)]", "Types that are made of a text.");
const CONVERSIONS: (&str, &str) =
    ("CONVERSIONS: &[(&str, &str, Convert)]", "The conversions into unions, with the variant that they make.");
const CONSTRUCTORS: (&str, &str) = (
    "CONSTRUCTORS: &[(&str, &str, &str, Make)]",
    "The constructors of unions: those of a text, and those of an object with this tag of this value.",
);
const GETTERS: (&str, &str) =
    ("GETTERS: &[(&str, &str, Convert)]", "The methods of unions for members that all their variants have.");
const MARKS: (&str, &str) = ("MARKS: &[(&str, Convert)]", "The unions that take a mark of prompt caching.");

/// The entries for the code of a union.
pub(super) fn made_unions(context: &Context<'_>, ty: &Type, union: &Union) -> Vec<Made> {
    let mut scratch = String::new();
    let mut made = conversions(context, ty, union, &mut scratch);
    if ty.request {
        made.extend(shortcuts(context, ty, union, &mut scratch));
        made.extend(mark(context, ty, union, &mut scratch));
    }
    if ty.response {
        made.extend(accessors(context, ty, union, &mut scratch));
    }
    made
}

/// What converts into a union. Text becomes its branch of text, of words or of a part of text; lists of texts are taken
/// in every form.
fn conversions(context: &Context<'_>, ty: &Type, union: &Union, out: &mut String) -> Vec<Made> {
    let name = &ty.name;
    let mut made = Vec::new();
    let of_text = || Made { table: TEXTS, entry: format!("({}, of_text::<{name}>)", literal(name)) };
    let is_words = |of: &Ty| {
        let of = of.named().and_then(|name| context.api.find(name));
        of.is_some_and(|of| matches!(of.kind, Kind::Enum(_)))
    };
    let lists = union.variants.iter().filter(|variant| matches!(variant.ty, Ty::List(_))).count();
    let parts = union.variants.iter().filter(|variant| is_text_part(context, &variant.ty)).count();
    let has_text = union.variants.iter().any(|variant| variant.ty == Ty::String || is_words(&variant.ty));
    if !ty.response && !has_text && 2 * complete(context, union).len() > union.variants.len() {
        out.push_str(&format!("\nwire_text!({name}, text => of_tag({}, text));\n", literal(&union.tag)));
        made.push(of_text());
    }
    for (index, variant) in union.variants.iter().enumerate() {
        let rust = variant.ty.rust();
        if union.variants.iter().enumerate().any(|(other, v)| other != index && v.ty.rust() == rust) || rust == "Json" {
            continue;
        }
        let mut convert = |way: &str, source: &str| {
            let entry = format!("({}, {}, {way}::<{source}, {name}>)", literal(name), literal(&variant.rust));
            made.push(Made { table: CONVERSIONS, entry });
        };
        convert("converted", &rust);
        let wrapped = |value: &str| match variant.boxed {
            true => format!("Self::{}(Box::new({value}))", variant.rust),
            false => format!("Self::{}({value})", variant.rust),
        };
        let from = |out: &mut String, generics: &str, source: &str, value: &str| {
            out.push_str(&format!(
                "\nimpl{generics} From<{source}> for {name} {{\n    #[inline]\n    fn from(value: {source}) -> Self {{\n        {}\n    }}\n}}\n",
                wrapped(value)
            ));
        };
        match &variant.ty {
            Ty::String => {
                out.push_str(&format!("\nwire_text!({name}, text => {});\n", wrapped("text")));
                made.push(of_text());
            }
            Ty::Integer => out.push_str(&format!("\nwire_numbers!({name}, {}: {INTEGERS}, i64);\n", variant.rust)),
            Ty::Number => out.push_str(&format!("\nwire_numbers!({name}, {}: {INTEGERS}, f32, f64);\n", variant.rust)),
            Ty::List(of) if **of == Ty::String => out.push_str(&format!("\nwire_texts!({name}, {});\n", variant.rust)),
            Ty::List(of) => {
                from(out, "", &rust, "value");
                match lists {
                    1 => {
                        let of = of.rust();
                        convert("of_array", &of);
                        from(
                            out,
                            &format!("<T: Into<{of}>, const N: usize>"),
                            "[T; N]",
                            "value.into_iter().map(Into::into).collect()",
                        );
                        if of != "Json" {
                            convert("of_element", &of);
                            from(out, "", &of, "vec![value]");
                        }
                    }
                    _ => {
                        convert("of_array", &of.rust());
                        from(out, "<const N: usize>", &format!("[{}; N]", of.rust()), "value.into()");
                    }
                }
            }
            of => {
                from(out, "", &rust, "value");
                if is_words(of) || !has_text && parts == 1 && is_text_part(context, of) {
                    out.push_str(&format!("\nwire_text!({name}, text => {});\n", wrapped("text.into()")));
                    made.push(of_text());
                }
            }
        }
    }
    made
}

/// The branches that are complete with nothing but their tag: its value, and the type and name of the branch.
fn complete<'a>(context: &'a Context<'_>, union: &'a Union) -> Vec<(&'a str, &'a Type, &'a Variant, bool)> {
    // Messages and parts of content say nothing without their fields.
    if union.tag == "role" || union.variants.iter().any(|variant| is_text_part(context, &variant.ty)) {
        return Vec::new();
    }
    let of = |(tag, conditions, index): &'a (String, Vec<Condition>, usize)| {
        let variant = union.variants.get(*index).filter(|_| conditions.is_empty())?;
        let ty = context.api.find(variant.ty.named()?)?;
        let Kind::Struct(own) = &ty.kind else { return None };
        let required: Vec<_> = own.fields.iter().filter(|field| field.presence == Presence::Required).collect();
        match required.as_slice() {
            [] => Some((tag.as_str(), ty, variant, false)),
            [field] if field.wire == union.tag => Some((tag.as_str(), ty, variant, true)),
            _ => None,
        }
    };
    union.tagged.iter().filter_map(of).collect()
}

/// The integers that are numbers of every kind.
const INTEGERS: &str = "i8, i16, i32, u8, u16, u32";

/// Whether a type is an object that needs nothing but a text, and is a part of text for this.
pub(super) fn is_text_part(context: &Context<'_>, ty: &Ty) -> bool {
    let Some(Type { kind: Kind::Struct(own), request: true, .. }) = ty.named().and_then(|name| context.api.find(name))
    else {
        return false;
    };
    let mut required = own.fields.iter().filter(|field| field.presence == Presence::Required);
    required.next().is_some_and(|field| field.wire == "text" && field.ty == Ty::String) && required.next().is_none()
}

/// Words as if they were variants, and constructors for objects that their tag makes complete.
fn shortcuts(context: &Context<'_>, ty: &Type, union: &Union, out: &mut String) -> Vec<Made> {
    let mut body = String::new();
    let mut made = Vec::new();
    let mut add = |tag: &str, value: &str, code: &str| {
        let [union, tag, value] = [&ty.name, tag, value].map(literal);
        made.push(Made { table: CONSTRUCTORS, entry: format!("({union}, {tag}, {value}, || value_of(&{code}))") });
    };
    for variant in &union.variants {
        let Some(of) = variant.ty.named().filter(|_| matches!(variant.ty, Ty::Named(_))) else { continue };
        let Some(of) = context.api.find(of) else { continue };
        let Kind::Enum(values) = &of.kind else { continue };
        for value in values.iter().filter(|value| union.variants.iter().all(|other| other.rust != value.rust)) {
            body.push_str(&format!("\n    /// Converted from [`{}::{}`].\n", of.name, value.rust));
            body.push_str("    #[allow(non_upper_case_globals, reason = \"it is used like a variant\")]\n");
            body.push_str(&format!(
                "    pub const {}: Self = Self::{}({}::{});\n",
                value.rust, variant.rust, of.name, value.rust
            ));
            add("", &value.wire, &format!("{}::{}", ty.name, value.rust));
        }
    }
    for (tag, of, variant, takes_tag) in complete(context, union) {
        let argument = if takes_tag { literal(tag) } else { String::new() };
        let made = format!("{}::new({argument})", of.name);
        let made = if variant.boxed { format!("Box::new({made})") } else { made };
        body.push_str(&format!(
            "\n    /// Creates the object whose `{}` is `{tag}`, without further settings; [`{}`] has those.\n    #[inline]\n    pub fn {}() -> Self {{\n        Self::{}({made})\n    }}\n",
            union.tag, of.name, identifier(tag), variant.rust
        ));
        add(&union.tag, tag, &format!("{}::{}()", ty.name, identifier(tag)));
    }
    if !body.is_empty() {
        out.push_str(&format!("\nimpl {} {{{body}}}\n", ty.name));
    }
    made
}

/// The objects that a union may be: its branches with their members.
fn branches<'a>(context: &'a Context<'_>, union: &'a Union) -> Option<Vec<(&'a str, &'a Struct)>> {
    let of = |variant: &'a Variant| match (&variant.ty, variant.ty.named().and_then(|name| context.api.find(name))) {
        (Ty::Named(_), Some(Type { kind: Kind::Struct(own), .. })) => Some((variant.rust.as_str(), own)),
        _ => None,
    };
    union.variants.iter().map(of).collect()
}

/// A setter for the mark of prompt caching, which parts of several types can carry.
fn mark(context: &Context<'_>, ty: &Type, union: &Union, out: &mut String) -> Option<Made> {
    const MARK: &str = "cache_control";
    let branches = branches(context, union)?;
    let marked = |own: &Struct| own.fields.iter().find(|field| field.wire == MARK).map(|field| field.ty.rust());
    let of = branches.iter().find_map(|(_, own)| marked(own))?;
    let arms: String = branches
        .iter()
        .map(|(variant, own)| match marked(own) {
            Some(_) => format!("            Self::{variant}(part) => part.{MARK} = Some(mark),\n"),
            None => {
                format!(
                    "            Self::{variant}(part) => drop(part.extra.insert({}, json(&mark))),\n",
                    literal(MARK)
                )
            }
        })
        .collect();
    out.push_str(&format!(
        "\nimpl {} {{\n    /// Marks the prompt up to here for caching. A part that has no field for the mark carries it as an extra field; a\n    /// part of an unknown type is unchanged.\n    #[must_use]\n    #[inline]\n    pub fn {MARK}(mut self, mark: impl Into<{of}>) -> Self {{\n        let mark = mark.into();\n        match &mut self {{\n{arms}            Self::Unrecognized(_) => {{}}\n        }}\n        self\n    }}\n}}\n",
        ty.name
    ));
    let name = &ty.name;
    let entry = format!("({}, |json| marked(json, |v: {name}, m: {of}| v.{MARK}(m)))", literal(name));
    Some(Made { table: MARKS, entry })
}

/// Methods for the fields that all objects of a union share.
fn accessors(context: &Context<'_>, ty: &Type, union: &Union, out: &mut String) -> Vec<Made> {
    let Some(branches) = branches(context, union).filter(|branches| branches.len() > 1) else {
        return Vec::new();
    };
    let Some(((_, first), others)) = branches.split_first() else { return Vec::new() };
    let mut body = String::new();
    let mut made = Vec::new();
    for field in &first.fields {
        let same = |own: &Struct| own.fields.iter().any(|other| other.rust == field.rust && other.ty == field.ty);
        if !others.iter().all(|(_, own)| same(own)) {
            continue;
        }
        let name = &field.rust;
        let returned = match &field.ty {
            Ty::String => "&str".to_owned(),
            Ty::Bool | Ty::Integer | Ty::Number => field.ty.rust(),
            Ty::List(of) => format!("&[{}]", of.rust()),
            of => format!("&{}", of.rust()),
        };
        let arms: String = branches
            .iter()
            .filter_map(|(variant, own)| {
                let field = own.fields.iter().find(|other| other.rust == *name)?;
                let value = match (&field.ty, field.presence) {
                    (Ty::Bool | Ty::Integer | Ty::Number, Presence::Required) => format!("Some(value.{name})"),
                    (Ty::Bool | Ty::Integer | Ty::Number, _) => format!("value.{name}"),
                    (_, Presence::Required) => format!("Some(&value.{name})"),
                    (Ty::String | Ty::List(_), _) => format!("value.{name}.as_deref()"),
                    _ if field.boxed => format!("value.{name}.as_deref()"),
                    _ => format!("value.{name}.as_ref()"),
                };
                Some(format!("            Self::{variant}(value) => {value},\n"))
            })
            .collect();
        body.push_str(&format!(
            "\n    /// Returns the field `{}`, which all variants have; `None` if it is missing or the variant is unknown.\n    #[inline]\n    pub fn {name}(&self) -> Option<{returned}> {{\n        match self {{\n{arms}            Self::Unrecognized(_) => None,\n        }}\n    }}\n",
            field.wire
        ));
        let [union, member] = [&ty.name, &field.wire].map(|text| literal(text));
        let entry = format!("({union}, {member}, |json| read(json, |v: &{}| to_value(v.{name}())))", ty.name);
        made.push(Made { table: GETTERS, entry });
    }
    if !body.is_empty() {
        out.push_str(&format!("\nimpl {} {{{body}}}\n", ty.name));
    }
    made
}

/// How an optional parameter is written into a query.
fn query_call(field: &Field) -> String {
    let name = literal(&field.wire);
    let place = format!("self.{}", field.rust);
    match &field.ty {
        Ty::Bool | Ty::Integer | Ty::Number => format!("query({name}, {place})"),
        Ty::Named(_) => format!("query({name}, {place}.as_ref().map(AsRef::as_ref))"),
        Ty::List(of) if has_no_text(of) => {
            format!("query_list({name}, {}.as_deref())", texts(&format!("{place}.as_ref()")))
        }
        Ty::List(_) => format!("query_list({name}, {place}.as_deref())"),
        _ => format!("query({name}, {place}.as_deref())"),
    }
}

/// Values that must be turned into text first.
pub(super) fn has_no_text(ty: &Ty) -> bool {
    matches!(ty, Ty::Bool | Ty::Integer | Ty::Number)
}

/// An optional list of values as an optional list of texts.
fn texts(list: &str) -> String {
    format!("{list}.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>())")
}

fn parameters(context: &Context<'_>, ty: &Type, fields: &[Field], out: &mut String) {
    out.push_str(&format!(
        "#[derive(Clone, Debug, Default, PartialEq)]\n#[non_exhaustive]\npub struct {} {{\n",
        ty.name
    ));
    for field in fields {
        field_doc(context, out, "    ", field);
        out.push_str(&format!("    pub {}: Option<{}>,\n", field.rust, field.ty.rust()));
    }
    out.push_str(&format!(
        "}}\n\nimpl {} {{\n    /// Creates a set of parameters with none of them set.\n    #[inline]\n    pub fn new() -> Self {{\n        Self::default()\n    }}\n",
        ty.name
    ));
    out.push_str(&format!(
        "}}\n\nimpl Parameters for {} {{\n    #[inline]\n    fn write(&self, parts: Parts) -> Parts {{\n        parts",
        ty.name
    ));
    for field in fields {
        out.push_str(&format!("\n            .{}", query_call(field)));
    }
    out.push_str("\n    }\n}\n");
    out.push_str(&format!("\nimpl {} {{\n", ty.name));
    for field in fields {
        let (of, value) = argument(field);
        let forms = forms([field]);
        setter_doc(context, field, out);
        out.push_str(&format!(
            "    #[must_use]\n    #[inline]\n    pub fn {name}{forms}(mut self, {name}: {of}) -> Self {{\n        self.{name} = Some({value});\n        self\n    }}\n\n",
            name = field.rust
        ));
    }
    out.truncate(out.trim_end().len());
    out.push_str("\n}\n");
}

fn form(context: &Context<'_>, ty: &Type, fields: &[Field], out: &mut String) {
    out.push_str(&format!("#[derive(Debug)]\n#[non_exhaustive]\npub struct {} {{\n", ty.name));
    for field in fields {
        field_doc(context, out, "    ", field);
        let of =
            if field.presence == Presence::Required { field.ty.rust() } else { format!("Option<{}>", field.ty.rust()) };
        out.push_str(&format!("    pub {}: {of},\n", field.rust));
    }
    out.push_str("}\n");
    constructor(ty, fields, "", out);
    let mut required = fields.iter().filter(|field| field.presence == Presence::Required);
    if required.next().is_some_and(|field| field.ty == Ty::Bytes) && required.next().is_none() {
        out.push_str(&format!(
            "\n/// Creates a form with this file.\nimpl<T: Into<FilePart>> From<T> for {} {{\n    #[inline]\n    fn from(file: T) -> Self {{\n        Self::new(file)\n    }}\n}}\n",
            ty.name
        ));
    }
    out.push_str(&format!("\nimpl {} {{\n", ty.name));
    for field in fields.iter().filter(|field| field.presence != Presence::Required) {
        let (of, value) = argument(field);
        let forms = forms([field]);
        setter_doc(context, field, out);
        out.push_str(&format!(
            "    #[must_use]\n    #[inline]\n    pub fn {name}{forms}(mut self, {name}: {of}) -> Self {{\n        self.{name} = Some({value});\n        self\n    }}\n\n",
            name = field.rust
        ));
    }
    let (files, others): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.ty == Ty::List(Box::new(Ty::Bytes)));
    let mut text = "Multipart::new()".to_owned();
    for field in others {
        text.push_str(&format!("\n            .{}", form_call(field)));
    }
    for field in files {
        let place = format!("self.{}", field.rust);
        let list = if field.presence == Presence::Required { place } else { format!("{place}.into_iter().flatten()") };
        let name = literal(&field.wire);
        text = format!("{list}.into_iter().fold({text}, |form, file| form.file({name}, Some(file)))");
    }
    out.push_str(&format!(
        "    #[inline]\n    pub(crate) fn into_multipart(self) -> Multipart {{\n        {text}\n    }}\n}}\n"
    ));
}

/// How a member of a form is written.
fn form_call(field: &Field) -> String {
    let name = literal(&field.wire);
    let place = format!("self.{}", field.rust);
    let required = field.presence == Presence::Required;
    let option = if required { format!("Some({place})") } else { place.clone() };
    match &field.ty {
        Ty::Bytes => format!("file({name}, {option})"),
        Ty::List(of) if has_no_text(of) => format!("text_list({name}, {})", texts(&option)),
        Ty::List(_) => format!("text_list({name}, {option})"),
        Ty::Named(_) if required => format!("text({name}, Some({place}.as_str()))"),
        Ty::Named(_) => format!("text({name}, {place}.as_ref().map(AsRef::<str>::as_ref))"),
        _ => format!("text({name}, {option})"),
    }
}

fn page(ty: &Type, own: &Struct, paging: &Paging, out: &mut String) {
    let Some(data) = own.fields.iter().find(|field| field.wire == "data") else { return };
    let Ty::List(item) = &data.ty else { return };
    let items = match data.presence {
        Presence::Required => format!("self.{}", data.rust),
        _ => format!("self.{}.unwrap_or_default()", data.rust),
    };
    let length = match data.presence {
        Presence::Required => format!("self.{}.len()", data.rust),
        _ => format!("self.{}.as_ref().map_or(0, Vec::len)", data.rust),
    };
    let cursor = match paging {
        Paging::Offset(_) => String::new(),
        Paging::Cursor { member, .. } => match own.fields.iter().find(|field| field.wire == *member) {
            Some(field) if field.ty == Ty::String => {
                let value = match field.presence {
                    Presence::Required => format!("Some(&self.{})", field.rust),
                    _ => format!("self.{}.as_deref()", field.rust),
                };
                format!("\n    fn cursor(&self) -> Option<&str> {{\n        {value}\n    }}\n")
            }
            _ => String::new(),
        },
    };
    let more = match own.fields.iter().find(|field| field.wire == "has_more" && field.ty == Ty::Bool) {
        Some(field) => {
            let value = match field.presence {
                Presence::Required => format!("Some(self.{})", field.rust),
                _ => format!("self.{}", field.rust),
            };
            format!("\n    fn has_more(&self) -> Option<bool> {{\n        {value}\n    }}\n")
        }
        None => String::new(),
    };
    out.push_str(&format!(
        "\nimpl Page for {} {{\n    type Item = {};\n\n    fn into_items(self) -> Vec<Self::Item> {{\n        {items}\n    }}\n\n    fn length(&self) -> usize {{\n        {length}\n    }}\n{cursor}{more}}}\n",
        ty.name,
        item.rust()
    ));
}
