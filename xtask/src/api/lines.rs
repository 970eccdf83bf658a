//! Public items as lines: reached from the top through public modules and `pub use`, then the methods and
//! traits of the types found.

use super::names::{Target, imports};
use super::print::text;
use super::source::{Crate, ModulePath, attributes, hidden, named, public};
use anyhow::Result;
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use syn::{
    Attribute, Field, Fields, FnArg, Generics, ImplItem, Item, ItemImpl, Pat, Signature, TraitItem,
    Type,
};

/// Every line, sorted by the path of its item.
pub(super) fn all(sources: &Crate) -> Result<Vec<String>> {
    let mut list = List {
        sources,
        paths: BTreeMap::new(),
        lines: BTreeSet::new(),
        walked: BTreeSet::new(),
    };
    list.walk(&Vec::new(), &sources.name.clone());
    let found: Vec<_> = list
        .paths
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    for ((module, name), paths) in found {
        list.item(&module, &name, paths);
    }
    for (module, items) in &sources.modules {
        for item in items {
            if let Item::Impl(block) = item {
                list.implementation(module, block);
            }
        }
    }
    for (path, line) in sources.macro_lines() {
        list.line(&path, line);
    }
    Ok(list.lines.into_iter().map(|line| line.text).collect())
}

/// One line of a list; the declaration of an item stands before what is implemented for it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    path: String,
    /// Not the item itself, but a trait of it.
    about: bool,
    text: String,
}

struct List<'a> {
    sources: &'a Crate,
    /// Where an item is declared, and the public paths that lead to it.
    paths: BTreeMap<(ModulePath, String), BTreeSet<String>>,
    /// Sorted as they are printed.
    lines: BTreeSet<Line>,
    walked: BTreeSet<(ModulePath, String)>,
}

impl List<'_> {
    fn walk(&mut self, module: &ModulePath, path: &str) {
        if !self.walked.insert((module.clone(), path.to_owned())) {
            return;
        }
        let Some(items) = self.sources.modules.get(module) else {
            return;
        };
        for item in items.iter().filter(|item| !hidden(attributes(item))) {
            if let Item::Mod(child) = item
                && public(&child.vis)
            {
                let mut below = module.clone();
                below.push(child.ident.to_string());
                let path = format!("{path}::{}", child.ident);
                self.line(&path, format!("pub mod {path}"));
                self.walk(&below, &path);
            }
            for import in imports(item).into_iter().filter(|i| public(i.visibility)) {
                let target = self.sources.resolve(module, &import.path);
                match (import.alias, target) {
                    (Some(alias), target) => self.reached(target, format!("{path}::{alias}")),
                    (None, Target::Module(from)) => self.walk(&from, path),
                    (None, _) => self.line(
                        path,
                        format!("pub use {}::* in {path}", import.path.join("::")),
                    ),
                }
            }
            if let Some((name, visibility)) = named(item)
                && public(visibility)
            {
                let path = format!("{path}::{name}");
                self.reached(Target::Item(module.clone(), name), path);
            }
        }
    }

    fn reached(&mut self, target: Target, path: String) {
        match target {
            Target::Item(module, name) => {
                _ = self.paths.entry((module, name)).or_default().insert(path)
            }
            Target::Module(module) => self.walk(&module, &path),
            Target::Other(other) => {
                self.line(&path, format!("pub use {} as {path}", other.join("::")))
            }
        }
    }

    fn line(&mut self, path: &str, line: String) {
        let about = line.starts_with("impl") || line.starts_with("type <");
        self.lines.insert(Line {
            path: path.to_owned(),
            about,
            text: line,
        });
    }

    /// The shortest public path of an item.
    fn path(&self, target: &Target) -> Option<&str> {
        let Target::Item(module, name) = target else {
            return None;
        };
        let paths = self.paths.get(&(module.clone(), name.clone()))?;
        paths
            .iter()
            .min_by_key(|path| path.len())
            .map(String::as_str)
    }

    fn item(&mut self, module: &ModulePath, name: &str, paths: BTreeSet<String>) {
        let target = Target::Item(module.clone(), name.to_owned());
        let Some(path) = self.path(&target).map(str::to_owned) else {
            return;
        };
        for other in paths.iter().filter(|other| **other != path) {
            self.line(other, format!("pub use {path} as {other}"));
        }
        let items = self.sources.modules.get(module).into_iter().flatten();
        let declared: Vec<&Item> = items
            .filter(|item| named(item).is_some_and(|(n, _)| n == name))
            .collect();
        if declared.is_empty() {
            self.line(&path, format!("pub {path}, made by a macro"));
        }
        for item in declared {
            self.declaration(item, &path);
        }
    }

    fn declaration(&mut self, item: &Item, path: &str) {
        let marks = marks(attributes(item));
        let line = match item {
            Item::Const(i) => format!("pub const {path}: {}", text(&i.ty)),
            Item::Static(i) => format!("pub static {path}: {}", text(&i.ty)),
            Item::Type(i) => format!("pub type {path}{} = {}", generics(&i.generics), text(&i.ty)),
            Item::Fn(i) => format!("pub {}", signature(&i.sig, path)),
            Item::Union(i) => format!("pub union {path}{}", generics(&i.generics)),
            Item::Struct(i) => {
                self.fields(path, &i.fields);
                self.derives(path, &i.attrs);
                format!(
                    "pub struct {path}{}{}",
                    generics(&i.generics),
                    shape(&i.fields)
                )
            }
            Item::Enum(i) => {
                self.derives(path, &i.attrs);
                for variant in &i.variants {
                    let path = format!("{path}::{}", variant.ident);
                    let value = variant
                        .discriminant
                        .as_ref()
                        .map(|(_, value)| format!(" = {}", text(value)));
                    let fields = match &variant.fields {
                        Fields::Unit => String::new(),
                        fields => variant_fields(fields),
                    };
                    self.line(
                        &path,
                        format!("{path}{fields}{}", value.unwrap_or_default()),
                    );
                }
                format!("pub enum {path}{}", generics(&i.generics))
            }
            Item::Trait(i) => {
                i.items.iter().for_each(|item| self.trait_item(path, item));
                let above = match i.supertraits.is_empty() {
                    true => String::new(),
                    false => format!(": {}", text(&i.supertraits)),
                };
                format!("pub trait {path}{}{above}", generics(&i.generics))
            }
            _ => return,
        };
        self.line(path, format!("{marks}{line}"));
    }

    fn fields(&mut self, path: &str, fields: &Fields) {
        for field in fields.iter().filter(|f| public(&f.vis)) {
            if let Some(name) = &field.ident {
                let path = format!("{path}::{name}");
                self.line(&path, format!("pub {path}: {}", text(&field.ty)));
            }
        }
    }

    fn trait_item(&mut self, path: &str, item: &TraitItem) {
        let (name, line) = match item {
            TraitItem::Fn(i) => {
                let name = format!("{path}::{}", i.sig.ident);
                let provided = if i.default.is_some() { " { .. }" } else { "" };
                let line = format!("{}{provided}", signature(&i.sig, &name));
                (name, line)
            }
            TraitItem::Type(i) => {
                let name = format!("{path}::{}", i.ident);
                let line = format!("type {name}: {}", text(&i.bounds));
                (name, line)
            }
            TraitItem::Const(i) => {
                let name = format!("{path}::{}", i.ident);
                let line = format!("const {name}: {}", text(&i.ty));
                (name, line)
            }
            _ => return,
        };
        self.line(&name, line);
    }

    /// A derived trait is a line like one that is written out.
    fn derives(&mut self, path: &str, attributes: &[Attribute]) {
        for attribute in attributes.iter().filter(|a| a.path().is_ident("derive")) {
            let _ = attribute.parse_nested_meta(|meta| {
                if let Some(segment) = meta.path.segments.last() {
                    self.line(path, format!("impl {} for {path}", segment.ident));
                }
                Ok(())
            });
        }
    }

    fn implementation(&mut self, module: &ModulePath, block: &ItemImpl) {
        let own = type_path(&block.self_ty).map(|path| self.sources.resolve(module, &path));
        let own = own.and_then(|target| self.path(&target).map(str::to_owned));
        match &block.trait_ {
            None => {
                if let Some(path) = own {
                    self.inherent(&path, block);
                }
            }
            Some((of, _)) => {
                let names: Vec<String> = of.segments.iter().map(|s| s.ident.to_string()).collect();
                let ours = self.path(&self.sources.resolve(module, &names)).is_some();
                let Some(of_text) = of.segments.last().map(text) else {
                    return;
                };
                let (generics, bounds) = (&block.generics, where_text(&block.generics));
                let (parameters, _, _) = generics.split_for_impl();
                match own {
                    Some(path) => {
                        let arguments = arguments(&block.self_ty);
                        let line = format!(
                            "impl{} {of_text} for {path}{arguments}{bounds}",
                            text(&parameters)
                        );
                        self.line(&path, line);
                        self.associated(&path, &of_text, block);
                    }
                    // A trait of ours on a type of others is part of the interface, too.
                    None if ours => {
                        let on = text(&block.self_ty);
                        self.line(
                            &on,
                            format!("impl{} {of_text} for {on}{bounds}", text(&parameters)),
                        );
                    }
                    None => {}
                }
            }
        }
    }

    fn associated(&mut self, path: &str, of: &str, block: &ItemImpl) {
        for item in &block.items {
            if let ImplItem::Type(i) = item {
                self.line(
                    path,
                    format!("type <{path} as {of}>::{} = {}", i.ident, text(&i.ty)),
                );
            }
        }
    }

    fn inherent(&mut self, path: &str, block: &ItemImpl) {
        let (on, bounds) = (arguments(&block.self_ty), where_text(&block.generics));
        for item in &block.items {
            let (name, line, attributes) = match item {
                ImplItem::Fn(i) if public(&i.vis) => {
                    let name = format!("{path}::{}", i.sig.ident);
                    let line = format!(
                        "pub {}{bounds}",
                        signature(&i.sig, &format!("{path}{on}::{}", i.sig.ident))
                    );
                    (name, line, &i.attrs)
                }
                ImplItem::Const(i) if public(&i.vis) => {
                    let name = format!("{path}::{}", i.ident);
                    (
                        name.clone(),
                        format!("pub const {name}: {}", text(&i.ty)),
                        &i.attrs,
                    )
                }
                _ => continue,
            };
            if !hidden(attributes) {
                self.line(&name, format!("{}{line}", marks(attributes)));
            }
        }
    }
}

/// Attributes that callers or implementors notice.
fn marks(attributes: &[Attribute]) -> String {
    let noticed = ["non_exhaustive", "deprecated", "cfg", "async_trait"];
    let kept = attributes.iter().filter(|attribute| {
        let name = attribute
            .path()
            .segments
            .last()
            .map(|s| s.ident.to_string());
        name.is_some_and(|name| noticed.contains(&name.as_str()))
    });
    kept.map(|attribute| format!("#[{}] ", text(&attribute.meta)))
        .collect()
}

/// `fn PATH(ARGUMENTS) -> TYPE where ...`; of a pattern only its name stays.
fn signature(signature: &Signature, path: &str) -> String {
    let mut plain = signature.clone();
    for input in &mut plain.inputs {
        match input {
            FnArg::Typed(argument) => {
                argument.attrs.clear();
                match &mut *argument.pat {
                    Pat::Ident(name) => {
                        name.mutability = None;
                        name.by_ref = None;
                    }
                    other => {
                        *other = Pat::Wild(syn::PatWild {
                            attrs: Vec::new(),
                            underscore_token: Default::default(),
                        })
                    }
                }
            }
            FnArg::Receiver(receiver) => receiver.mutability = None,
        }
    }
    let written = text(&plain);
    written.replacen(&format!("fn {}", signature.ident), &format!("fn {path}"), 1)
}

/// `<T: Bound> where ...` of a declaration.
fn generics(generics: &Generics) -> String {
    match generics.params.is_empty() {
        true => String::new(),
        false => format!("<{}>{}", text(&generics.params), where_text(generics)),
    }
}

fn where_text(generics: &Generics) -> String {
    let bounds = generics.where_clause.as_ref();
    bounds
        .map(|bounds| format!(" {}", text(bounds).trim_end_matches(',')))
        .unwrap_or_default()
}

/// What stands behind a struct's name: the fields of a tuple, or that there are private ones.
fn shape(fields: &Fields) -> String {
    let show = |field: &Field| match public(&field.vis) {
        true => format!("pub {}", text(&field.ty)),
        false => "_".to_owned(),
    };
    match fields {
        Fields::Unnamed(list) => format!(
            "({})",
            list.unnamed.iter().map(show).collect::<Vec<_>>().join(", ")
        ),
        Fields::Named(list) if list.named.iter().any(|f| !public(&f.vis)) => " { .. }".to_owned(),
        _ => String::new(),
    }
}

/// A variant's fields, which are public without saying so.
fn variant_fields(fields: &Fields) -> String {
    let show = |field: &Field| match &field.ident {
        Some(name) => format!("{name}: {}", text(&field.ty)),
        None => text(&field.ty),
    };
    let list = fields.iter().map(show).collect::<Vec<_>>().join(", ");
    match fields {
        Fields::Named(_) => format!(" {{ {list} }}"),
        _ => format!("({list})"),
    }
}

/// The path of a type, references taken off.
fn type_path(ty: &Type) -> Option<Vec<String>> {
    match ty {
        Type::Reference(reference) => type_path(&reference.elem),
        Type::Path(path) => Some(
            path.path
                .segments
                .iter()
                .map(|s| s.ident.to_string())
                .collect(),
        ),
        _ => None,
    }
}

/// The generic arguments behind a type's name.
fn arguments(ty: &Type) -> String {
    match ty {
        Type::Reference(reference) => arguments(&reference.elem),
        Type::Path(path) => {
            let last = path.path.segments.last();
            last.map(|segment| segment.arguments.to_token_stream())
                .map(|tokens| text(&tokens))
                .unwrap_or_default()
        }
        _ => String::new(),
    }
}
