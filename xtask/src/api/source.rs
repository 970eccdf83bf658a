//! The modules of a crate, parsed.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use syn::{Attribute, Item, Visibility};

/// Names from the top of the crate down; empty for the crate itself.
pub(super) type ModulePath = Vec<String>;

/// A crate's modules, without those for tests.
pub(super) struct Crate {
    /// As paths spell it: `jfs_meta`.
    pub(super) name: String,
    pub(super) modules: BTreeMap<ModulePath, Vec<Item>>,
}

impl Crate {
    /// Reads `lib.rs` in `directory` and every module below.
    pub(super) fn read(package: &str, directory: &Path) -> Result<Self> {
        let mut sources = Self {
            name: package.replace('-', "_"),
            modules: BTreeMap::new(),
        };
        sources.read_file(&directory.join("lib.rs"), directory, Vec::new())?;
        Ok(sources)
    }

    fn read_file(&mut self, file: &Path, children: &Path, at: ModulePath) -> Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        let parsed = syn::parse_file(&text).with_context(|| format!("{}", file.display()))?;
        self.add(parsed.items, children, at)
    }

    fn add(&mut self, items: Vec<Item>, children: &Path, at: ModulePath) -> Result<()> {
        let items: Vec<Item> = items
            .into_iter()
            .filter(|i| !for_tests(attributes(i)))
            .collect();
        for item in &items {
            let Item::Mod(module) = item else { continue };
            let name = module.ident.to_string();
            let (mut path, below) = (at.clone(), children.join(&name));
            path.push(name.clone());
            match &module.content {
                Some((_, inner)) => self.add(inner.clone(), &below, path)?,
                None => self.read_file(&module_file(children, &name)?, &below, path)?,
            }
        }
        self.modules.insert(at, items);
        Ok(())
    }
}

fn module_file(directory: &Path, name: &str) -> Result<PathBuf> {
    let candidates = [
        directory.join(format!("{name}.rs")),
        directory.join(name).join("mod.rs"),
    ];
    match candidates.iter().find(|file| file.is_file()) {
        Some(file) => Ok(file.clone()),
        None => bail!("no file for module {name} in {}", directory.display()),
    }
}

/// True for `#[cfg(test)]`.
fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

/// True for `#[doc(hidden)]`: public for the compiler only.
pub(super) fn hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("hidden"))
    })
}

/// True for `pub` alone.
pub(super) fn public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Union(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

/// Name and visibility of an item that can be named, modules and uses left out.
pub(super) fn named(item: &Item) -> Option<(String, &Visibility)> {
    let (ident, visibility) = match item {
        Item::Const(i) => (&i.ident, &i.vis),
        Item::Enum(i) => (&i.ident, &i.vis),
        Item::Fn(i) => (&i.sig.ident, &i.vis),
        Item::Static(i) => (&i.ident, &i.vis),
        Item::Struct(i) => (&i.ident, &i.vis),
        Item::Trait(i) => (&i.ident, &i.vis),
        Item::Type(i) => (&i.ident, &i.vis),
        Item::Union(i) => (&i.ident, &i.vis),
        _ => return None,
    };
    Some((ident.to_string(), visibility))
}
