//! The one declaration of what has options: [`declare!`], and [`family!`] for values that are one
//! formula each.
//!
//! In: a type's documentation, its names in text, its arguments, its options with their defaults,
//! and what else it holds. Out: the type, its constructor, its options as methods, and its
//! [`Declared`], by which text becomes the same value and a saved model notes its options.

use std::sync::Arc;

use crate::error::Result;

use super::{Hyperparameters, Setting, TextOptions, written};

/// What [`declare!`] says of a type.
pub(crate) trait Declared: Sized {
    /// What text calls it: first the name that is written, then others that are read.
    const NAMES: &'static [&'static str];
    /// Its arguments and options, in the order in which text may give them without their names.
    const OPTIONS: &'static [&'static str];

    /// The value with the options that a text gives.
    ///
    /// # Errors
    /// If an option cannot be read, or an argument is missing.
    fn of_text(given: &mut TextOptions<'_>) -> Result<Self>;

    /// The value after an option was set.
    #[must_use]
    fn changed(self) -> Self {
        self
    }

    /// Its arguments and options, to be saved with a model.
    fn noted(&self) -> Hyperparameters;
}

/// The text that makes a value again: its name, and the options that have not their defaults.
pub(crate) fn text_of<D: Declared + Default>(value: &D) -> String {
    let (own, default) = (value.noted(), D::default().noted());
    let options: Vec<_> = own
        .iter()
        .zip(default.iter())
        .map(|((option, text), (_, default))| (option, text.to_string(), text != default))
        .collect();
    written(D::NAMES[0], &options)
}

/// What an argument or option of a declared type may be: any [`Setting`], or a value of another
/// family, such as an activation.
pub(crate) trait OptionValue: Sized {
    /// What the text has to be, for messages.
    const EXPECTED: &'static str;

    /// The value that the text says, or what is wrong with it; nothing where there is no more to
    /// say than what was expected.
    fn parse(text: &str) -> Option<Result<Self>>;

    /// The text that says the value; none of a value without a name, such as a closure.
    fn text(&self) -> Option<String>;
}

impl<S: Setting> OptionValue for S {
    const EXPECTED: &'static str = S::EXPECTED;

    fn parse(text: &str) -> Option<Result<Self>> {
        S::read(text).map(Ok)
    }

    fn text(&self) -> Option<String> {
        Some(self.write())
    }
}

/// A value of another family that may be absent: text and saved models leave it out.
impl<T: ?Sized> OptionValue for Option<Arc<T>>
where
    Arc<T>: OptionValue,
{
    const EXPECTED: &'static str = <Arc<T>>::EXPECTED;

    fn parse(text: &str) -> Option<Result<Self>> {
        if text == "none" {
            return Some(Ok(None));
        }
        <Arc<T>>::parse(text).map(|value| value.map(Some))
    }

    fn text(&self) -> Option<String> {
        self.as_ref().and_then(OptionValue::text)
    }
}

/// Declares a type with its arguments and options.
///
/// ```text
/// declare! {
///     /// Documentation, and attributes such as `#[derive(Clone)]`.
///     Name ["name", "other_name"]
///     /// Documentation of `new`.
///     (argument: usize) {
///         /// Documentation.
///         option: f64 = 0.5,
///     }
///     with { field: Weight = Weight::new("field") }
///     then changed
/// }
/// ```
///
/// How an option is set is said by [`setter!`]. What stands after `with` are fields that are no
/// options, and the method after `then` is called whenever an option was set. After
/// `dyn Family:` the type gets a `ROW` for the table of names, to be listed in the file's `ROWS`;
/// the compiler warns of one that is not. `Name<const N: usize> ["name1d", "name2d"]` has a
/// name for each `N` from 1.
macro_rules! declare {
    (dyn $Family:ident: $(#[$doc:meta])* $Name:ident $($declared:tt)*) => {
        $crate::named::declare! { $(#[$doc])* $Name $($declared)* }

        impl $Name {
            /// Its row in the table of names.
            pub(super) const ROW: $crate::named::Named<dyn $Family> =
                $crate::named::Named::of::<Self>(&[], |given| {
                    Ok(std::sync::Arc::new(<Self as $crate::named::Declared>::of_text(given)?))
                });
        }
    };
    ($(#[$doc:meta])* $Name:ident $(<const $N:ident: usize>)? $names:tt
     $(#[$new_doc:meta])*
     ($($(#[$argument_doc:meta])* $argument:ident: $Argument:ty $(as $Taken:ty)?
         $(=> $Into:ty)?),* $(,)?)
     { $($(#[$option_doc:meta])* $option:ident: $Option:ty $({$range:expr})? $(as $Given:ty)?
         $(=> $From:ty)? $([$Family:ident::$into:ident])? = $default:expr),* $(,)? }
     $(with { $($field:ident: $Field:ty = $initial:expr),* $(,)? })?
     $(then $changed:ident)?) => {
        $(#[$doc])*
        pub struct $Name $(<const $N: usize>)? {
            $($(#[$argument_doc])* $argument: $Argument,)*
            $($(#[$option_doc])* $option: $Option,)*
            $($($field: $Field,)*)?
        }

        impl $(<const $N: usize>)? $Name $(<$N>)? {
            $(#[$new_doc])*
            #[allow(clippy::useless_conversion)]
            pub fn new(
                $($argument: $crate::named::setter!(@type $Argument $(as $Taken)? $(=> $Into)?)),*
            ) -> Self {
                let new = Self {
                    $(
                        $argument:
                            $crate::named::setter!(@value $argument $(as $Taken)? $(=> $Into)?),
                    )*
                    $($option: $default,)*
                    $($($field: $initial,)*)?
                };
                $crate::named::Declared::changed(new)
            }

            $($crate::named::setter! {
                $(#[$option_doc])* $option: $Option $({$range})? $(as $Given)? $(=> $From)?
                $([$Family::$into])?
            })*
        }

        $crate::named::declare! { @default $Name [$($N)?] $($argument)* }

        impl $(<const $N: usize>)? $crate::named::Declared for $Name $(<$N>)? {
            const NAMES: &'static [&'static str] = $crate::named::declare!(@names $names $($N)?);
            const OPTIONS: &'static [&'static str] =
                &[$(stringify!($argument),)* $(stringify!($option),)*];

            fn of_text(_given: &mut $crate::named::TextOptions<'_>) -> $crate::error::Result<Self> {
                let value = Self {
                    $($argument: _given.required(Self::NAMES[0], stringify!($argument))?,)*
                    $($option: _given.take::<$Option>(stringify!($option), $default)?,)*
                    $($($field: $initial,)*)?
                };
                Ok(value.changed())
            }

            $(
                fn changed(self) -> Self {
                    self.$changed()
                }
            )?

            fn noted(&self) -> $crate::named::Hyperparameters {
                $crate::named::Hyperparameters::new()
                    $(.with_option(stringify!($argument), &self.$argument))*
                    $(.with_option(stringify!($option), &self.$option))*
            }
        }
    };
    (@default $Name:ident [$($N:ident)?]) => {
        impl $(<const $N: usize>)? Default for $Name $(<$N>)? {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    (@default $Name:ident $generics:tt $($argument:ident)+) => {};
    (@names [$($name:literal),+]) => { &[$($name),+] };
    (@names [$($name:literal),+] $N:ident) => { &[[$($name),+][$N - 1]] };
}

/// The method that sets an option, and what it and `new` take.
///
/// `option: T` takes a `T`, and `option: T {0.0..=1.0}` hands it to the type's `require` first;
/// `option: T as G` takes a `G`, `option: T => G` what becomes a `G`, and either becomes a `T`;
/// `option: T [IntoActivation::into_activation]` takes what that trait makes the value of.
macro_rules! setter {
    ($(#[$doc:meta])* $option:ident: $Option:ty [$Family:ident::$into:ident]) => {
        $(#[$doc])*
        #[must_use]
        #[allow(clippy::useless_conversion)]
        pub fn $option<K>(mut self, $option: impl $Family<K>) -> Self {
            self.$option = $option.$into().into();
            $crate::named::Declared::changed(self)
        }
    };
    ($(#[$doc:meta])* $option:ident: $Option:ty $({$range:expr})? $(as $Given:ty)?
     $(=> $From:ty)?) => {
        $(#[$doc])*
        #[must_use]
        #[track_caller]
        #[allow(clippy::useless_conversion)]
        pub fn $option(
            mut self,
            $option: $crate::named::setter!(@type $Option $(as $Given)? $(=> $From)?),
        ) -> Self {
            $(self.require(stringify!($option), $option, $range);)?
            self.$option = $crate::named::setter!(@value $option $(as $Given)? $(=> $From)?);
            $crate::named::Declared::changed(self)
        }
    };
    (@type $Type:ty) => { $Type };
    (@type $Type:ty as $Given:ty) => { $Given };
    (@type $Type:ty => $From:ty) => { impl Into<$From> };
    (@value $value:ident) => { $value };
    (@value $value:ident as $Given:ty) => { $value.into() };
    (@value $value:ident => $From:ty) => {{
        let given: $From = $value.into();
        given.into()
    }};
}

/// Declares what is both a type and a value of the same name, which has the defaults:
/// `Name ["name"] {}`, `Name ["name"] { option: f64 = 0.5 }`, or for a tuple of one
/// `Name ["name"] (option: f64 = 0.5)`. Options take whatever becomes their type, or with
/// `option: T => G` what becomes a `G`.
macro_rules! value {
    ($(#[$doc:meta])* $Name:ident $names:tt {}) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $Name;

        impl $Name {
            /// The value, written as Keras writes it.
            pub const fn new() -> Self {
                Self
            }
        }

        $crate::named::value! { @declared $Name $names [] $Name }
    };
    ($(#[$doc:meta])* $Name:ident $names:tt ($option:ident: $Option:ty = $default:expr)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $Name(pub $Option);

        impl Default for $Name {
            fn default() -> Self {
                Self($default)
            }
        }

        $crate::named::value! { @declared $Name $names [$option 0] $Name($default) }
    };
    ($(#[$doc:meta])* $Name:ident $names:tt {
        $($(#[$option_doc:meta])* $option:ident: $Option:ty $(=> $From:ty)? = $default:expr),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Name {
            $($(#[$option_doc])* pub $option: $Option,)+
        }

        #[doc = concat!("[`", stringify!($Name), "`](struct@", stringify!($Name), ") with Keras's \
            defaults.")]
        #[allow(non_upper_case_globals)]
        pub const $Name: $Name = $Name { $($option: $default,)+ };

        impl $Name {
            /// The value with Keras's defaults, written as Keras writes it.
            pub const fn new() -> Self {
                $Name
            }

            $($crate::named::value! { @setter $(#[$option_doc])* $option: $Option $(=> $From)? })+
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name
            }
        }

        $crate::named::value! { @declared $Name $names [$($option $option),+] $Name }
    };
    (@setter $(#[$doc:meta])* $option:ident: $Option:ty) => {
        $crate::named::setter! { $(#[$doc])* $option: $Option => $Option }
    };
    (@setter $(#[$doc:meta])* $option:ident: $Option:ty => $From:ty) => {
        $crate::named::setter! { $(#[$doc])* $option: $Option => $From }
    };
    (@declared $Name:ident $names:tt [$($option:ident $field:tt),*] $default:expr) => {
        impl $crate::named::Declared for $Name {
            const NAMES: &'static [&'static str] = &$names;
            const OPTIONS: &'static [&'static str] = &[$(stringify!($option)),*];

            fn of_text(_given: &mut $crate::named::TextOptions<'_>) -> $crate::error::Result<Self> {
                Ok(Self { $($field: _given.take(stringify!($option), $default.$field)?,)* })
            }

            fn noted(&self) -> $crate::named::Hyperparameters {
                $crate::named::Hyperparameters::new()
                    $(.with_option(stringify!($option), &self.$field))*
            }
        }
    };
}

/// The members of a family that are one formula each: for every row what [`value!`] declares, the
/// family's trait, and a row of the file's `ROWS`.
///
/// ```text
/// family! { ActivationFunction: call(self, x: &Tensor) -> Tensor;
///     /// Documentation.
///     Name ["name", "other_name"] { option: f64 = 0.5 } => x * self.option;
/// }
/// ```
///
/// Other methods of the trait stand in braces after the formula and a comma.
macro_rules! family {
    ($Family:ident: $method:ident $signature:tt -> $Output:ty;
     $($(#[$doc:meta])* $Name:ident $names:tt $options:tt
         => $formula:expr $(, { $($item:item)+ })?;)+) => {
        $(
            $crate::named::value! { $(#[$doc])* $Name $names $options }

            $crate::named::family! {
                @impl $Family $Name $method $signature -> $Output { $formula } { $($($item)+)? }
            }
        )+

        /// The rows of this file.
        pub(super) static ROWS: &[$crate::named::Named<dyn $Family>] =
            &[$($crate::named::family!(@row $Family $Name)),+];
    };
    (@impl $Family:ident $Name:ident
     $method:ident ($this:ident $(, $x:ident: $Type:ty)*) -> $Output:ty
     { $formula:expr } { $($item:item)* }) => {
        impl $Family for $Name {
            #[track_caller]
            fn $method(&$this, $($x: $Type),*) -> $Output {
                $formula
            }

            $crate::named::family! { @about $Family }

            $($item)*
        }
    };
    (@about Loss) => {
        fn name(&self) -> &str {
            <Self as $crate::named::Declared>::NAMES[0]
        }

        fn hyperparameters(&self) -> $crate::named::Hyperparameters {
            $crate::named::Declared::noted(self)
        }
    };
    (@about $Family:ident) => {
        fn name(&self) -> Option<String> {
            Some($crate::named::text_of(self))
        }
    };
    (@row Loss $Name:ident) => {
        $crate::named::Named::of::<$Name>(&["reduction"], |given| {
            let loss = <$Name as $crate::named::Declared>::of_text(given)?;
            let reduction = given.take("reduction", Loss::reduction(&loss))?;
            Ok(std::sync::Arc::new(Loss::with_reduction(loss, reduction)))
        })
    };
    (@row $Family:ident $Name:ident) => {
        $crate::named::Named::of::<$Name>(&[], |given| {
            Ok(std::sync::Arc::new(<$Name as $crate::named::Declared>::of_text(given)?))
        })
    };
}

/// The table of a family: its rows, file by file, and the names of all of them. With an example the
/// family's values may also be options of others.
macro_rules! table {
    ($(#[$doc:meta])* $Family:ty: $($rows:path),+ $(; $expected:literal)?) => {
        $(#[$doc])*
        pub fn names() -> impl Iterator<Item = &'static str> {
            rows().map(|row| row.names[0])
        }

        fn rows() -> impl Iterator<Item = &'static $crate::named::Named<$Family>> + Clone {
            [$($rows),+].into_iter().flatten()
        }

        $(
            impl $crate::named::OptionValue for Arc<$Family> {
                const EXPECTED: &'static str = $expected;

                fn parse(text: &str) -> Option<Result<Self>> {
                    Some(get(text))
                }

                fn text(&self) -> Option<String> {
                    self.name()
                }
            }
        )?
    };
}

pub(crate) use {declare, family, setter, table, value};
