//! How an optimizer is declared: once, with its options and their defaults.
//!
//! In: a name, the names that text gives it, a learning rate, and the rows of its options. Out: the
//! type with `new`, `Default` and its options as methods beside those of all optimizers, and the
//! row by which text becomes the same value.

/// Declares an optimizer; what it does is in its `impl Optimizer`. Ranges are what an option may
/// be.
///
/// ```text
/// optimizer! {
///     /// Documentation.
///     Name ["name"] learning_rate = 0.01 {
///         /// Documentation.
///         momentum: f64 in (0.0..=1.0) = 0.0,
///     }
/// }
/// ```
macro_rules! optimizer {
    ($($declaration:tt)*) => {
        $crate::optimizers::settings::with_options! { declare! { $($declaration)* } }
    };
}

/// What [`optimizer!`] declares, given the options of all optimizers.
macro_rules! declare {
    ({
        $(#[$doc:meta])*
        $Name:ident [$name:literal] learning_rate = $learning_rate:literal $(, weight_decay = $weight_decay:literal)? {
            $($(#[$own_doc:meta])* $own:ident: $Own:ident $(in $range:tt)? = $default:expr,)*
        }
    }
    $($(#[$option_doc:meta])* $option:ident($argument:ident: $Argument:ty) as $Text:ty => |$settings:ident| $set:expr;)+) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $Name {
            settings: $crate::optimizers::Settings,
            $($own: $Own,)*
        }

        impl $Name {
            #[doc = concat!("With a learning rate, a number or a schedule; Keras's default \
                is ", stringify!($learning_rate), ".")]
            #[track_caller]
            pub fn new(learning_rate: impl $crate::optimizers::IntoLearningRate) -> Self {
                let settings = $crate::optimizers::Settings::new(learning_rate)$(.weight_decay($weight_decay))?;
                Self { settings, $($own: $default,)* }
            }

            $(
                $(#[$own_doc])*
                #[must_use]
                #[track_caller]
                pub fn $own(mut self, $own: $Own) -> Self {
                    $(self.settings.require(stringify!($own), $own, $range);)?
                    self.$own = $own;
                    self
                }
            )*

            $(
                $(#[$option_doc])*
                #[must_use]
                #[track_caller]
                pub fn $option(mut self, $argument: $Argument) -> Self {
                    self.settings = self.settings.$option($argument);
                    self
                }
            )+

            /// What text can name.
            pub(super) const ROW: $crate::named::Named<dyn $crate::optimizers::Optimizer> = $crate::named::Named {
                names: &[$name],
                options: [&["learning_rate", $(stringify!($own),)*], &[], &[$(stringify!($option),)+]],
                make: |given| {
                    let learning_rate: String = given.take("learning_rate", stringify!($learning_rate).to_string())?;
                    let mut optimizer = Self::new($crate::optimizers::LearningRate::read(&learning_rate)?);
                    $(optimizer = optimizer.$own(given.take(stringify!($own), $default)?);)*
                    $(
                        if let Some(value) = given.given::<$Text>(stringify!($option))? {
                            optimizer = optimizer.$option(value);
                        }
                    )+
                    match optimizer.settings.problem() {
                        Some(problem) => Err(problem.clone()),
                        None => Ok(std::sync::Arc::new(optimizer)),
                    }
                },
            };
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::new($learning_rate)
            }
        }
    };
}

pub(super) use {declare, optimizer};
