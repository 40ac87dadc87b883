//! The `Debug` form of a value next to its JSON. It is derived, so that it has the names of Rust, and shows which field holds
//! what.

use std::collections::BTreeMap;

use serde_json::Value;

/// Compares the `Debug` form of a value with its JSON. Returns the members of an object, and whether their fields are
/// options; or where the two say different things.
pub(crate) fn compare(shown: &str, json: &Value) -> Result<BTreeMap<String, bool>, String> {
    let mut shown = Shown { rest: shown, options: None };
    shown.value(Some(json))?;
    match shown.rest {
        "" => Ok(shown.options.unwrap_or_default()),
        rest => Err(format!("ends with {rest}")),
    }
}

/// Whether a name of Rust stands for a text on the wire: they have the same letters and digits. Signs may be spelled out,
/// and where two texts differ only in signs or in case, their names say more.
pub(crate) fn is_name_of(rust: &str, wire: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let (own, plain) = (letters(rust), letters(wire));
    let signs = [("-", "dash"), (".", "dot"), ("<", "less"), (">", "greater"), ("!", "not"), ("=", "equals")];
    let spelled = signs.iter().fold(wire.to_owned(), |text, (sign, word)| text.replace(sign, word));
    let of_number = |start: &str| plain.starts_with(|c: char| c.is_ascii_digit()) && own == format!("{start}{plain}");
    let more = ["", "uppercase", "capitalized", "mixedcase", "member"];
    more.iter().any(|more| own == format!("{plain}{more}"))
        || own == letters(&spelled)
        || ["n", "v"].into_iter().any(of_number)
        || wire.strip_prefix('-').is_some_and(|number| own == format!("minus{}", letters(number)))
}

struct Shown<'a> {
    rest: &'a str,
    /// The members of the outermost object.
    options: Option<BTreeMap<String, bool>>,
}

impl<'a> Shown<'a> {
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.rest.split_at(self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn text(&mut self) -> Result<String, String> {
        let inside = self.rest.strip_prefix('"').ok_or("no text")?;
        let mut escaped = false;
        let end = inside.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (text, rest) = self.rest.split_at(end.ok_or("a text without end")? + 2);
        self.rest = rest;
        serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
    }

    /// Reads what is shown of a value; `None` stands for an absent member.
    fn value(&mut self, json: Option<&Value>) -> Result<(), String> {
        let shown = self.rest;
        let expect = |holds: bool| match (holds, json) {
            (true, _) => Ok(()),
            (false, Some(json)) => Err(format!("{} stands for {json}", shown.chars().take(80).collect::<String>())),
            (false, None) => Err(format!("{} stands for nothing", shown.chars().take(80).collect::<String>())),
        };
        if self.take("[redacted]") {
            return expect(json.is_some_and(|json| !json.is_null()));
        }
        if self.take("[") {
            for element in json.and_then(Value::as_array).into_iter().flatten() {
                self.value(Some(element))?;
                self.take(",");
                self.take(" ");
            }
            return expect(self.take("]") && json.is_none_or(Value::is_array));
        }
        if self.take("{") {
            while !self.take("}") {
                let name = self.text()?;
                self.take(":");
                self.take(" ");
                self.value(json.and_then(|json| json.get(&name))).map_err(|error| format!("{name}: {error}"))?;
                self.take(",");
                self.take(" ");
            }
            return expect(json.is_none_or(Value::is_object));
        }
        if self.rest.starts_with('"') {
            let text = self.text()?;
            return expect(json.map_or(text.is_empty(), |json| *json == text));
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            let number = self.take_while(|c| c.is_ascii_digit() || "+-.eE".contains(c));
            return expect(json.map(Value::to_string).as_deref() == Some(number));
        }
        let name = self.take_while(|c| c.is_alphanumeric() || c == '_');
        if name == "Unrecognized" {
            return Err(format!("{shown} is not recognized"));
        }
        if self.take("(") {
            self.value(json)?;
            return if self.take(")") { Ok(()) } else { Err(format!("{shown} has several parts")) };
        }
        if self.take(" { ") {
            return self.fields(name, json);
        }
        match (name, json) {
            ("None" | "Keep", None | Some(Value::Null)) | ("Clear" | "null", Some(Value::Null)) => Ok(()),
            ("true" | "false", Some(Value::Bool(value))) => expect(value.to_string() == name),
            (variant, Some(Value::String(text))) => expect(is_name_of(variant, text)),
            _ => expect(false),
        }
    }

    /// Reads the fields of an object, each with the member that it is named for.
    fn fields(&mut self, of: &str, json: Option<&Value>) -> Result<(), String> {
        let members = json.and_then(Value::as_object).ok_or_else(|| format!("{of} is not an object: {json:?}"))?;
        let mut left: Vec<&str> = members.keys().map(String::as_str).collect();
        let is_outermost = self.options.is_none();
        self.options.get_or_insert_default();
        loop {
            let field = self.take_while(|c| c.is_alphanumeric() || c == '_');
            self.take(": ");
            if field == "extra" && self.take("{}") {
                break;
            }
            let named = left.iter().position(|name| *name == field);
            let named = named.or_else(|| left.iter().position(|name| is_name_of(field, name)));
            let name = named.map(|at| left.remove(at));
            if let (true, Some(name), Some(options)) = (is_outermost, name, &mut self.options) {
                options.insert(name.to_owned(), self.rest.starts_with("Some(") || self.rest.starts_with("Set("));
            }
            self.value(name.and_then(|name| members.get(name))).map_err(|error| format!("{of}.{field}: {error}"))?;
            self.take(", ");
        }
        self.take(" }");
        // Members with one value have no field.
        match left.iter().find(|name| !members.get(**name).is_some_and(|value| value.is_string() || value.is_boolean()))
        {
            Some(name) => Err(format!("{of} has no field for `{name}`")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{compare, is_name_of};

    #[test]
    fn a_value_in_the_wrong_field_differs() {
        let json = json!({"type": "usage", "prompt_tokens": 1, "stop": "tool_calls", "name": null, "tags": ["a\"b"]});
        let right = "Usage { prompt_tokens: 1, stop: Some(ToolCalls), name: None, tags: [\"a\\\"b\"], extra: {} }";
        let options = compare(right, &json).unwrap();
        assert!(options["stop"] && !options["prompt_tokens"], "{options:?}");
        for (from, to) in [
            ("prompt_tokens: 1", "prompt_tokens: 2"),
            ("prompt_tokens: 1", "completion_tokens: 1"),
            ("prompt_tokens: 1", "prompt_tokens: 1.0"),
            ("ToolCalls", "Unrecognized(\"tool_calls\")"),
            ("ToolCalls", "Length"),
            ("Some(ToolCalls)", "None"),
            ("name: None", "name: Some(\"\")"),
            ("extra: {}", "extra: {\"a\": 1}"),
        ] {
            assert!(compare(&right.replace(from, to), &json).is_err(), "{to}");
        }
    }

    #[test]
    fn a_name_has_the_letters_of_its_text() {
        for (rust, wire) in
            [("ToolCalls", "tool_calls"), ("V16_9", "16:9"), ("Minus1", "-1"), ("GptDash4", "gpt-4"), ("Less", "<")]
        {
            assert!(is_name_of(rust, wire), "{rust}");
        }
        assert!(!is_name_of("min_p", "min_pp") && !is_name_of("top_k", "top_p"));
    }
}
