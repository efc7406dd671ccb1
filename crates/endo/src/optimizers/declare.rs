//! How an optimizer is declared: once, with its options and their defaults.
//!
//! In: a name, the names that text gives it, a learning rate, the rows of its options, and its
//! rule. Out: the type with `new`, `Default` and its options as methods beside those of all
//! optimizers, its [`Optimizer`](super::Optimizer), and the row by which text becomes the same
//! value.

/// Declares an optimizer. Ranges are what an option may be.
///
/// ```text
/// optimizer! {
///     /// Documentation.
///     Name ["name"] learning_rate = 0.01 {
///         /// Documentation.
///         momentum: f64 {0.0..=1.0} = 0.0,
///     }
///
///     fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor { .. }
/// }
/// ```
macro_rules! optimizer {
    ($(#[$doc:meta])* $Name:ident [$name:literal] learning_rate = $learning_rate:literal
     $(, weight_decay = $weight_decay:literal)? {
        $($(#[$own_doc:meta])* $own:ident: $Own:ty $({$range:expr})? = $default:expr,)*
    } $($rule:item)+) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $Name {
            settings: $crate::optimizers::Settings,
            $($own: $Own,)*
        }

        impl $Name {
            #[doc = concat!("With a learning rate, a number or a schedule; Keras's default is ",
                stringify!($learning_rate), ".")]
            #[track_caller]
            pub fn new(learning_rate: impl $crate::optimizers::IntoLearningRate) -> Self {
                let settings = $crate::optimizers::Settings::new(learning_rate)
                    $(.weight_decay($weight_decay))?;
                Self { settings, $($own: $default,)* }
            }

            $($crate::named::setter! { $(#[$own_doc])* $own: $Own $({$range})? })*
        }

        impl $crate::optimizers::Optimizer for $Name {
            fn settings(&self) -> &$crate::optimizers::Settings {
                &self.settings
            }

            $($rule)+
        }

        $crate::optimizers::settings::with_options! { shared_options! { $Name } }

        impl $crate::named::Declared for $Name {
            const NAMES: &'static [&'static str] = &[$name];
            const OPTIONS: &'static [&'static str] = &["learning_rate", $(stringify!($own)),*];

            fn of_text(given: &mut $crate::named::TextOptions<'_>) -> $crate::error::Result<Self> {
                let rate: String = given.take("learning_rate", stringify!($learning_rate).into())?;
                let optimizer = Self::new($crate::optimizers::LearningRate::read(&rate)?);
                $(let optimizer = optimizer.$own(given.take(stringify!($own), $default)?);)*
                Ok(optimizer)
            }

            fn noted(&self) -> $crate::named::Hyperparameters {
                $crate::named::Hyperparameters::new()$(.with_option(stringify!($own), &self.$own))*
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::new($learning_rate)
            }
        }
    };
}

/// What an optimizer has of the options of all optimizers: the methods, and its row with them.
macro_rules! shared_options {
    ({ $Name:ident }
     $($(#[$doc:meta])* $option:ident($argument:ident: $Argument:ty) $({$range:expr})? as $Text:ty
         => |$settings:ident| $set:expr;)+) => {
        impl $Name {
            $(
                $(#[$doc])*
                #[must_use]
                #[track_caller]
                pub fn $option(mut self, $argument: $Argument) -> Self {
                    self.settings = self.settings.$option($argument);
                    self
                }
            )+

            #[track_caller]
            fn require<T, R>(&mut self, option: &str, value: T, range: R)
            where
                T: PartialOrd + std::fmt::Debug,
                R: std::ops::RangeBounds<T> + std::fmt::Debug,
            {
                self.settings.require(option, value, range);
            }

            /// Its row in the table of names.
            pub(super) const ROW: $crate::named::Named<dyn $crate::optimizers::Optimizer> =
                $crate::named::Named::of::<Self>(&[$(stringify!($option)),+], |given| {
                    let mut optimizer = <Self as $crate::named::Declared>::of_text(given)?;
                    $(
                        if let Some(value) = given.given::<$Text>(stringify!($option))? {
                            optimizer = optimizer.$option(value);
                        }
                    )+
                    match optimizer.settings.problem() {
                        Some(problem) => Err(problem.clone()),
                        None => Ok(std::sync::Arc::new(optimizer)),
                    }
                });
        }
    };
}

pub(super) use {optimizer, shared_options};
