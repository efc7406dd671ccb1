//! The one declaration of what has options: [`declare!`], and [`family!`] for values that are one
//! formula each.
//!
//! In: a type's documentation, its names in text, its arguments, its options with their defaults,
//! and what else it holds. Out: the type, its constructor, its options as methods, and its
//! [`Declared`], by which text becomes the same value and a saved model notes its options.

use std::sync::Arc;

use crate::error::Result;

use super::{Hyperparameters, Named, TextOptions, written};

/// What [`declare!`] says of a type.
pub(crate) trait Declared: Sized {
    /// What text calls it: first the name that is written, then others that are read.
    const NAMES: &'static [&'static str];
    /// Its arguments and options, in the order in which text may give them without their names.
    const OPTIONS: &'static [&'static str];

    /// What a user calls the type: where one type stands for several, that of its parameters.
    fn kind() -> &'static str {
        std::any::type_name::<Self>()
    }

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

impl<T: ?Sized> Named<T> {
    /// The row of a declared type, with the options that all of its family have besides its own.
    pub(crate) const fn of<D: Declared>(
        shared: &'static [&'static str],
        make: fn(&mut TextOptions<'_>) -> Result<Arc<T>>,
    ) -> Self {
        Self { names: D::NAMES, options: [D::OPTIONS, &[], shared], make }
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
///     then Self::changed
/// }
/// ```
///
/// How an option is set is said by [`setter!`]; its default may be that of an argument. What stands
/// after `with` are fields that are no options, and the function after `then` is called whenever an
/// option was set. After `dyn Family:` the type gets a `ROW` for the table of names, to be listed
/// in the file's `ROWS`; the compiler warns of one that is not.
///
/// `Name<const N: usize> [Name1D = "name1d", Name2D = "name2d"]` has two names for each `N` from 1:
/// what users call the type, and what text does. `Name of P: Part, O = Tensor` is generic over a
/// part, whose `kind` is what users call the type, and the type of its outputs: what is made is a
/// `Name<P, Tensor>`, and `with_outputs` makes it a `Name<P, O>`. With `fn name` before the
/// arguments the constructor is private and of that name, and there is no `Default`.
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
    ($(#[$doc:meta])* $Name:ident $(<const $N:ident: usize>)?
     $(of $P:ident: $Bound:ident, $O:ident = $Output:ty)? [$($names:tt)+]
     $(#[$new_doc:meta])* $(fn $new:ident)?
     ($(<$K:ident>)? $($(#[$argument_doc:meta])* $argument:ident: $Argument:ty $(as $Taken:ty)?
         $(=> $Into:ty)? $([$Trait:ident::$made:ident])?),* $(,)?)
     { $($(#[$option_doc:meta])* $option:ident: $Option:ty $({$range:expr})? $(as $Given:ty)?
         $(=> $From:ty)? $([$Family:ident::$into:ident])? = $default:expr),* $(,)? }
     $(with { $($field:ident: $Field:ty = $initial:expr),* $(,)? })?
     $(then $changed:path)?) => {
        $(#[$doc])*
        pub struct $Name $(<const $N: usize>)? $(<$P: $Bound, $O = $Output>)? {
            $($(#[$argument_doc])* $argument: $Argument,)*
            $($(#[$option_doc])* $option: $Option,)*
            $($($field: $Field,)*)?
            $(outputs: std::marker::PhantomData<fn() -> $O>,)?
        }

        impl $(<const $N: usize>)? $(<$P: $Bound>)? $Name $(<$N>)? $(<$P>)? {
            $crate::named::constructor! { [$($new)?] [$(#[$new_doc])*]
                $(<$K>)? ($($argument: $crate::named::setter!(
                    @type $Argument $(as $Taken)? $(=> $Into)? $([$Trait::$made])?
                )),*) -> Self {
                    $(let $argument: $Argument = $crate::named::setter!(
                        @value $argument $(as $Taken)? $(=> $Into)? $([$Trait::$made])?
                    );)*
                    let new = Self {
                        $($option: $default,)* $($($field: $initial,)*)? $($argument,)*
                        $(outputs: $crate::named::constructor!(@outputs $O),)?
                    };
                    $crate::named::Declared::changed(new)
                }
            }
        }

        impl $(<const $N: usize>)? $(<$P: $Bound, $O>)? $Name $(<$N>)? $(<$P, $O>)? {
            $($crate::named::setter! {
                $(#[$option_doc])* $option: $Option $({$range})? $(as $Given)? $(=> $From)?
                $([$Family::$into])?
            })*
        }

        $crate::named::declared! {
            $Name [$(<$N>)? $(of $P: $Bound, $O)?] [$($names)+] $($new)? ($($argument: $Argument),*)
            { $($option $option: $Option = $default),* } { $($($field = $initial),*)? } $($changed)?
        }
    };
}

/// How a declared type is made: its constructor, which is private if it has a name of its own; its
/// default, where it has no arguments; and the same with other outputs.
macro_rules! constructor {
    ([] [$($attribute:tt)*] $($constructor:tt)*) => {
        $($attribute)*
        #[allow(clippy::useless_conversion)]
        pub fn new $($constructor)*
    };
    ([$new:ident] [$($attribute:tt)*] $($constructor:tt)*) => {
        $($attribute)*
        fn $new $($constructor)*
    };
    (@default $Name:ident [$(<$N:ident>)? $(of $P:ident: $Bound:ident)?]) => {
        impl $(<const $N: usize>)? $(<$P: $Bound>)? Default for $Name $(<$N>)? $(<$P>)? {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    (@default $Name:ident $generics:tt $($argument:ident)+) => {};
    (@outputs $O:ident) => { std::marker::PhantomData };
    (@with_outputs $Name:ident [] $($field:tt)*) => {};
    (@with_outputs $Name:ident [$P:ident: $Bound:ident, $O:ident] $($field:ident)*) => {
        impl<$P: $Bound, $O> $Name<$P, $O> {
            /// The same with other outputs.
            pub(crate) fn with_outputs<Others>(self) -> $Name<$P, Others> {
                $Name { $($field: self.$field,)* outputs: std::marker::PhantomData }
            }
        }
    };
}

/// What a declared type says of itself, of its arguments, its options with the fields that hold
/// them, and its other fields.
macro_rules! declared {
    ($Name:ident [$(<$N:ident>)? $(of $P:ident: $Bound:ident, $O:ident)?] $names:tt $($new:ident)?
     ($($argument:ident: $Argument:ty),*)
     { $($option:ident $field:tt: $Option:ty = $default:expr),* }
     { $($other:ident = $initial:expr),* } $($changed:path)?) => {
        $crate::named::constructor! {
            @default $Name [$(<$N>)? $(of $P: $Bound)?] $($new)? $($argument)*
        }
        $crate::named::constructor! {
            @with_outputs $Name [$($P: $Bound, $O)?] $($argument)* $($field)* $($other)*
        }

        impl $(<const $N: usize>)? $(<$P: $Bound, $O>)? $crate::named::Declared
            for $Name $(<$N>)? $(<$P, $O>)?
        {
            const NAMES: &'static [&'static str] = $crate::named::declared!(@names $names $($N)?);
            const OPTIONS: &'static [&'static str] =
                &[$(stringify!($argument),)* $(stringify!($option),)*];

            $crate::named::declared! { @kind $names [$($N)?] [$($P: $Bound)?] }

            fn of_text(_given: &mut $crate::named::TextOptions<'_>) -> $crate::error::Result<Self> {
                $(let $argument: $Argument = _given.required(stringify!($argument))?;)*
                let value = Self {
                    $($field: _given.take::<$Option>(stringify!($option), $default)?,)*
                    $($other: $initial,)*
                    $($argument,)*
                    $(outputs: $crate::named::constructor!(@outputs $O),)?
                };
                Ok(value.changed())
            }

            $(
                fn changed(self) -> Self {
                    $changed(self)
                }
            )?

            fn noted(&self) -> $crate::named::Hyperparameters {
                $crate::named::Hyperparameters::new()
                    $(.with_option(stringify!($argument), &self.$argument))*
                    $(.with_option(stringify!($option), &self.$field))*
            }
        }
    };
    (@names [$($name:literal),+]) => { &[$($name),+] };
    (@names [$($kind:ident = $name:literal),+] $N:ident) => { &[[$($name),+][$N - 1]] };
    (@kind $names:tt [] []) => {};
    (@kind [$($kind:ident = $name:literal),+] [$N:ident] []) => {
        fn kind() -> &'static str {
            const { [$(stringify!($kind)),+][$N - 1] }
        }
    };
    (@kind $names:tt [] [$P:ident: $Bound:ident]) => {
        fn kind() -> &'static str {
            <$P as $Bound>::kind()
        }
    };
}

/// The method that sets an option, and what it and `new` take.
///
/// `option: T` takes a `T`, and `option: T {0.0..=1.0}` hands it to the type's `require` first;
/// `option: T as G` takes a `G`, `option: T => G` what becomes a `G`, and either becomes a `T`;
/// `option: T [IntoActivation::into_activation]` takes what that trait makes the value of; an
/// argument does so after `<K>`. `option in part: T` is the option of a field called `part`.
macro_rules! setter {
    ($(#[$doc:meta])* $option:ident $(in $part:ident)?: $Option:ty
     [$Family:ident::$into:ident]) => {
        $(#[$doc])*
        #[must_use]
        #[allow(clippy::useless_conversion)]
        pub fn $option<K>(mut self, $option: impl $Family<K>) -> Self {
            self $(.$part)?.$option = $option.$into().into();
            $crate::named::Declared::changed(self)
        }
    };
    ($(#[$doc:meta])* $option:ident $(in $part:ident)?: $Option:ty $({$range:expr})?
     $(as $Given:ty)? $(=> $From:ty)?) => {
        $(#[$doc])*
        #[must_use]
        #[track_caller]
        #[allow(clippy::useless_conversion)]
        pub fn $option(
            mut self,
            $option: $crate::named::setter!(@type $Option $(as $Given)? $(=> $From)?),
        ) -> Self {
            $(self.require(stringify!($option), $option, $range);)?
            self $(.$part)?.$option =
                $crate::named::setter!(@value $option $(as $Given)? $(=> $From)?);
            $crate::named::Declared::changed(self)
        }
    };
    (into $(#[$doc:meta])* $option:ident: $Option:ty) => {
        $crate::named::setter! { $(#[$doc])* $option: $Option => $Option }
    };
    (into $(#[$doc:meta])* $option:ident: $Option:ty => $From:ty) => {
        $crate::named::setter! { $(#[$doc])* $option: $Option => $From }
    };
    (@type $Type:ty) => { $Type };
    (@type $Type:ty as $Given:ty) => { $Given };
    (@type $Type:ty => $From:ty) => { impl Into<$From> };
    (@type $Type:ty [$Trait:ident::$made:ident]) => { impl $Trait<K> };
    (@value $value:ident) => { $value };
    (@value $value:ident [$Trait:ident::$made:ident]) => { $value.$made() };
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
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $Name;

        impl $Name {
            /// The value, written as Keras writes it.
            pub const fn new() -> Self {
                Self
            }
        }

        $crate::named::declared! { $Name [] $names () {} {} }
    };
    ($(#[$doc:meta])* $Name:ident $names:tt ($option:ident: $Option:ty = $default:expr)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $Name(pub $Option);

        impl $Name {
            /// The value with Keras's default.
            pub const fn new() -> Self {
                Self($default)
            }
        }

        $crate::named::declared! { $Name [] $names () { $option 0: $Option = $default } {} }
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

            $($crate::named::setter! { into $(#[$option_doc])* $option: $Option $(=> $From)? })+
        }

        $crate::named::declared! {
            $Name [] $names () { $($option $option: $Option = $default),+ } {}
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

pub(crate) use {constructor, declare, declared, family, setter, table, value};
