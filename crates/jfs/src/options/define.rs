//! Defines a struct of options: public fields, a setter for each, and one place for each default.

/// Fields under `optional` have no default; they hold `None` until they are set.
macro_rules! options {
    (
        $(#[$about:meta])*
        pub struct $Name:ident {
            $($(#[$doc:meta])* $field:ident: $Type:ty = $default:expr,)*
        }
        $(optional { $($(#[$opt_doc:meta])* $opt:ident: $Opt:ty,)+ })?
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $Name {
            $($(#[$doc])* pub $field: $Type,)*
            $($($(#[$opt_doc])* pub $opt: Option<$Opt>,)+)?
        }

        impl Default for $Name {
            fn default() -> $Name {
                $Name {
                    $($field: $default,)*
                    $($($opt: None,)+)?
                }
            }
        }

        impl $Name {
            /// The defaults.
            pub fn new() -> $Name {
                $Name::default()
            }

            $(
                $(#[$doc])*
                #[must_use]
                pub fn $field(mut self, $field: $Type) -> $Name {
                    self.$field = $field;
                    self
                }
            )*

            $($(
                $(#[$opt_doc])*
                #[must_use]
                pub fn $opt(mut self, $opt: impl Into<$Opt>) -> $Name {
                    self.$opt = Some($opt.into());
                    self
                }
            )+)?
        }
    };
}

pub(crate) use options;
