//! Where each mutant goes in a file, and the file with all of them.
//!
//! Nothing is written twice: a mutant of a function's value is a `return` at the start of its body, one of an operator is a
//! choice between two operators after both operands, and an arm of a `match` that may be deleted has a guard.

use std::collections::BTreeSet;
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Mutant;

/// A file with all its mutants.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) code: String,
    /// The ranges of the code that were changed, with the mutants in them.
    pub(crate) edits: Vec<(Range<usize>, Vec<usize>)>,
    /// The ranges of what each mutant does instead.
    pub(crate) alternatives: Vec<(Range<usize>, usize)>,
    /// Mutants that no compiler accepts.
    pub(crate) impossible: Vec<usize>,
    /// Mutants in code that the compiler computes, which cannot ask whether it is chosen.
    pub(crate) unplaced: Vec<usize>,
}

/// Writes the mutants into a file. They are numbered.
pub(crate) fn change(source: &str, mutants: &[(usize, &Mutant)]) -> syn::Result<Changed> {
    let tree = syn::parse_file(source)?;
    let mut constants = Constants::default();
    constants.visit_file(&tree);
    let mut finder = Finder {
        lines: lines(source),
        source,
        mutants,
        edits: Vec::new(),
        constants: Vec::new(),
        const_functions: Vec::new(),
        impossible: Vec::new(),
    };
    finder.constants = constants.values.iter().map(|span| finder.range(*span)).collect();
    finder.const_functions = constants.functions.iter().map(|span| finder.range(*span)).collect();
    finder.bodies();
    finder.visit_file(&tree);
    let Finder { mut edits, impossible, .. } = finder;
    // Stable, so that of two edits of one range the outer one, which was found first, comes first.
    edits.sort_by_key(|edit| (edit.range.start, usize::MAX - edit.range.end));
    let mut changed =
        Changed { code: String::new(), edits: Vec::new(), alternatives: Vec::new(), impossible, unplaced: Vec::new() };
    render(source, 0..source.len(), &edits, &mut changed);
    let placed: BTreeSet<usize> = changed.alternatives.iter().map(|(_, id)| *id).collect();
    let ids = mutants.iter().map(|(id, _)| *id);
    changed.unplaced = ids.filter(|id| !placed.contains(id) && !changed.impossible.contains(id)).collect();
    Ok(changed)
}

/// Returns the byte at which each line begins.
pub(crate) fn lines(source: &str) -> Vec<usize> {
    std::iter::once(0).chain(source.match_indices('\n').map(|(index, _)| index + 1)).collect()
}

/// Returns the byte of a line and a column, both from 0, the column in characters.
pub(crate) fn offset(source: &str, lines: &[usize], line: usize, column: usize) -> usize {
    lines[line] + source[lines[line]..].chars().take(column).map(char::len_utf8).sum::<usize>()
}

/// A range of the source that is replaced.
struct Edit {
    range: Range<usize>,
    parts: Vec<Part>,
}

enum Part {
    /// The source of this range, with the edits in it.
    Source(Range<usize>),
    Text(String),
    /// What a mutant does instead.
    Alternative(usize, String),
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Text(text.into()));
        self
    }

    fn source(mut self, range: &Range<usize>) -> Self {
        self.0.push(Part::Source(range.clone()));
        self
    }

    fn alternative(mut self, id: usize, text: impl Into<String>) -> Self {
        self.0.push(Part::Alternative(id, text.into()));
        self
    }

    /// Appends the question whether this mutant is chosen.
    fn chosen(self, id: usize) -> Self {
        self.alternative(id, format!("crate::mutants::on({id})"))
    }

    fn if_chosen(self, id: usize) -> Self {
        self.text(format!("if crate::mutants::on({id}) {{ "))
    }
}

/// Writes a range of the source with its edits, which are in order, the outer before the inner.
fn render(source: &str, range: Range<usize>, mut edits: &[Edit], changed: &mut Changed) {
    let mut at = range.start;
    while let [edit, rest @ ..] = edits {
        let is_inner = |inner: &&Edit| inner.range.start < edit.range.end && inner.range.end <= edit.range.end;
        let (inner, rest) = rest.split_at(rest.iter().take_while(is_inner).count());
        changed.code.push_str(&source[at..edit.range.start]);
        let start = changed.code.len();
        let mut ids = Vec::new();
        for part in &edit.parts {
            match part {
                Part::Source(range) => {
                    let within = &inner[inner.partition_point(|edit| edit.range.start < range.start)..];
                    let is_within = |edit: &&Edit| edit.range.start <= range.end && edit.range.end <= range.end;
                    render(source, range.clone(), &within[..within.iter().take_while(is_within).count()], changed);
                }
                Part::Text(text) => changed.code.push_str(text),
                Part::Alternative(id, text) => {
                    changed.alternatives.push((changed.code.len()..changed.code.len() + text.len(), *id));
                    ids.push(*id);
                    changed.code.push_str(text);
                }
            }
        }
        changed.edits.push((start..changed.code.len(), ids));
        at = edit.range.end;
        edits = rest;
    }
    changed.code.push_str(&source[at..range.end]);
}

/// Finds the edits of a file.
struct Finder<'a> {
    lines: Vec<usize>,
    source: &'a str,
    mutants: &'a [(usize, &'a Mutant)],
    edits: Vec<Edit>,
    /// Code that only the compiler computes.
    constants: Vec<Range<usize>>,
    /// Bodies of functions that the compiler may call, where only numbers can be compared.
    const_functions: Vec<Range<usize>>,
    impossible: Vec<usize>,
}

impl<'a> Finder<'a> {
    fn range(&self, span: proc_macro2::Span) -> Range<usize> {
        let [start, end] =
            [span.start(), span.end()].map(|at| offset(self.source, &self.lines, at.line - 1, at.column));
        start..end
    }

    fn range_of(&self, node: &impl Spanned) -> Range<usize> {
        self.range(node.span())
    }

    /// Returns the mutants of this genre that begin here, with what they put instead of the source.
    fn starting(&self, genre: &str, at: usize) -> Vec<(usize, &'a str)> {
        let mutants = self.mutants.iter().filter(|(_, mutant)| mutant.genre == genre && mutant.span.start == at);
        mutants.map(|(id, mutant)| (*id, mutant.replacement.as_str())).collect()
    }

    fn edit(&mut self, range: Range<usize>, Parts(parts): Parts) {
        if !holds(&self.constants, &range) {
            self.edits.push(Edit { range, parts });
        }
    }

    fn bodies(&mut self) {
        let bodies = self.mutants.iter().filter(|(_, mutant)| mutant.genre == "FnValue");
        let bodies: BTreeSet<(usize, usize)> = bodies.map(|(_, mutant)| (mutant.span.start, mutant.span.end)).collect();
        for (start, end) in bodies {
            let mut parts = Parts::default();
            for (id, value) in self.starting("FnValue", start) {
                parts = parts.if_chosen(id).alternative(id, format!("return {value};")).text(" } ");
            }
            self.edit(start..end, parts.source(&(start..end)));
        }
    }

    /// The right side of `&&` and `||` is still computed only if it is needed.
    fn lazy(&self, node: &syn::ExprBinary, operator: &str, id: usize) -> Parts {
        let (left, right) = (self.range_of(&node.left), self.range_of(&node.right));
        let parts = Parts::default().text("({ let l: bool = ").source(&left).text("; if l != ").chosen(id);
        let parts = match operator {
            "&&" => parts.text(" { ").source(&right).text(" } else { l"),
            _ => parts.text(" { l } else { ").source(&right),
        };
        parts.text(" } })")
    }

    fn computed(&self, node: &syn::ExprBinary, operator: &str, mutants: &[(usize, &str)]) -> Parts {
        let (left, right) = (self.range_of(&node.left), self.range_of(&node.right));
        // Comparing does not consume.
        let compares = ["==", "!=", "<", ">", "<=", ">="].contains(&operator);
        let by = if compares && !holds(&self.const_functions, &left) { "&" } else { "" };
        let mut parts = Parts::default().text(format!("(match ({by}(")).source(&left);
        parts = parts.text(format!("), {by}(")).source(&right).text(")) { (l, r) => ");
        for (id, replacement) in mutants {
            parts = parts.if_chosen(*id).alternative(*id, format!("l {replacement} r")).text(" } else ");
        }
        parts.text(format!("{{ l {operator} r }} }})"))
    }

    fn assigned(&self, node: &syn::ExprBinary, operator: &str, mutants: &[(usize, &str)]) -> Parts {
        let (left, right) = (self.range_of(&node.left), self.range_of(&node.right));
        let mut parts = Parts::default().text("(match ").source(&right).text(" { r => ");
        for (id, replacement) in mutants {
            parts = parts.if_chosen(*id).source(&left).alternative(*id, format!(" {replacement} r;")).text(" } else ");
        }
        parts.text("{ ").source(&left).text(format!(" {operator} r; }} }})"))
    }
}

fn holds(ranges: &[Range<usize>], range: &Range<usize>) -> bool {
    ranges.iter().any(|outer| outer.start <= range.start && range.end <= outer.end)
}

/// Returns `true` if a condition binds a name, so that it cannot be taken apart.
fn has_let(condition: &syn::Expr) -> bool {
    match condition {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        let operator = self.range_of(&node.op);
        let mutants = self.starting("BinaryOperator", operator.start);
        let operator = &self.source[operator];
        let parts = match (mutants.as_slice(), operator) {
            ([], _) => None,
            ([(id, _)], "&&" | "||") if has_let(&node.left) || has_let(&node.right) => {
                self.impossible.push(*id);
                None
            }
            ([(id, _)], "&&" | "||") => Some(self.lazy(node, operator, *id)),
            (_, "+=" | "-=" | "*=" | "/=" | "%=" | "&=" | "|=" | "^=" | "<<=" | ">>=") => {
                Some(self.assigned(node, operator, &mutants))
            }
            _ => Some(self.computed(node, operator, &mutants)),
        };
        if let Some(parts) = parts {
            self.edit(self.range_of(node), parts);
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        let operator = self.range_of(&node.op);
        if let [(id, _)] = self.starting("UnaryOperator", operator.start).as_slice() {
            let parts = Parts::default().text("(match ").source(&self.range_of(&node.expr)).text(" { x => if ");
            let parts = parts.chosen(*id).text(format!(" {{ x }} else {{ {}x }} }})", &self.source[operator]));
            self.edit(self.range_of(node), parts);
        }
        visit::visit_expr_unary(self, node);
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        let mut parts = Parts::default();
        let deleted = self.starting("MatchArm", self.range_of(node).start);
        for (id, _) in &deleted {
            parts = parts.text("!").chosen(*id).text(" && ");
        }
        match &node.guard {
            Some((_, guard)) => {
                let guard = self.range_of(guard);
                let mutants = self.starting("MatchArmGuard", guard.start);
                parts = parts.text("(");
                for (id, value) in &mutants {
                    parts = match *value {
                        "true" => parts.chosen(*id).text(" || "),
                        _ => parts.text("!").chosen(*id).text(" && "),
                    };
                }
                if !deleted.is_empty() || !mutants.is_empty() {
                    self.edit(guard.clone(), parts.text("(").source(&guard).text("))"));
                }
            }
            None if !deleted.is_empty() => {
                let end = self.range_of(&node.pat).end;
                let mut with_if = Parts::default().text(" if ");
                with_if.0.extend(parts.0);
                self.edit(end..end, with_if.text("true"));
            }
            None => {}
        }
        visit::visit_arm(self, node);
    }

    /// The compiler reports a missing arm at the matched value, so the mutants that delete arms are noted there: the one of
    /// the arm for everything else, or else all.
    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        let takes_all = |arm: &&syn::Arm| matches!(&arm.pat, syn::Pat::Ident(_) | syn::Pat::Wild(_));
        let deleted = |arm: &syn::Arm| self.starting("MatchArm", self.range_of(arm).start);
        let mut mutants: Vec<_> = node.arms.iter().filter(takes_all).flat_map(deleted).collect();
        if mutants.is_empty() {
            mutants = node.arms.iter().flat_map(deleted).collect();
        }
        if !mutants.is_empty() {
            let value = self.range_of(&node.expr);
            let parts = Parts::default().source(&value);
            self.edit(value, mutants.iter().fold(parts, |parts, (id, _)| parts.alternative(*id, "")));
        }
        visit::visit_expr_match(self, node);
    }

    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        if let Some(rest) = &node.rest {
            let [name, rest] = [self.range_of(&node.path), self.range_of(rest)].map(|range| &self.source[range]);
            for field in &node.fields {
                let mutants = self.starting("StructField", self.range_of(field).start);
                let [(id, _)] = mutants.as_slice() else { continue };
                let member = &self.source[self.range_of(&field.member)];
                let value = self.range_of(&field.expr);
                let label = if field.colon_token.is_none() { format!("{member}: ") } else { String::new() };
                let parts = Parts::default().text(label).if_chosen(*id);
                let parts = parts.alternative(*id, format!("let base: {name} = {rest}; base.{member}"));
                self.edit(value.clone(), parts.text(" } else { ").source(&value).text(" }"));
            }
        }
        visit::visit_expr_struct(self, node);
    }
}

/// Finds code that the compiler computes.
#[derive(Default)]
struct Constants {
    values: Vec<proc_macro2::Span>,
    functions: Vec<proc_macro2::Span>,
}

impl<'ast> Visit<'ast> for Constants {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.functions.extend(node.sig.constness.map(|_| node.block.span()));
        visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.functions.extend(node.sig.constness.map(|_| node.block.span()));
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_item_const(&mut self, node: &'ast syn::ItemConst) {
        self.values.push(node.span());
    }

    fn visit_impl_item_const(&mut self, node: &'ast syn::ImplItemConst) {
        self.values.push(node.span());
    }

    fn visit_item_static(&mut self, node: &'ast syn::ItemStatic) {
        self.values.push(node.expr.span());
    }

    fn visit_expr_const(&mut self, node: &'ast syn::ExprConst) {
        self.values.push(node.span());
    }

    fn visit_expr_repeat(&mut self, node: &'ast syn::ExprRepeat) {
        self.values.push(node.len.span());
        visit::visit_expr_repeat(self, node);
    }

    fn visit_type_array(&mut self, node: &'ast syn::TypeArray) {
        self.values.push(node.len.span());
    }
}
