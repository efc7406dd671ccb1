//! Text of SVG: elements one after another, everything that comes from outside escaped.
//!
//! In: shapes in the units of a figure. Out: markup. Colours are classes, which the page's style
//! gives a meaning.

use std::fmt::Write;

/// What comes from outside, as text of HTML or SVG, also between quotes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Elements of a figure.
#[derive(Default)]
pub struct Svg(pub String);

impl Svg {
    /// A straight line.
    pub fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            self.0,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    /// Text at a place; `anchor` is `start`, `middle` or `end`.
    pub fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: &str, text: &str) {
        let text = escape(text);
        let _ = writeln!(
            self.0,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
        );
    }

    /// Straight lines through points, with a text that is shown when a pointer rests on them.
    pub fn polyline(&mut self, class: &str, points: &[[f64; 2]], title: &str) {
        match points {
            [] => {}
            [[x, y]] => {
                let title = escape(title);
                let _ = writeln!(
                    self.0,
                    "<circle class=\"{class} dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\">\
                     <title>{title}</title></circle>"
                );
            }
            points => self.path(class, &format!("M{}", places(points)), title),
        }
    }

    /// The area within points.
    pub fn polygon(&mut self, class: &str, points: &[[f64; 2]], title: &str) {
        self.path(class, &format!("M{}Z", places(points)), title);
    }

    /// A rectangle.
    pub fn rectangle(&mut self, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        let _ = writeln!(
            self.0,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" \
             width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }

    fn path(&mut self, class: &str, path: &str, title: &str) {
        let title = escape(title);
        let _ =
            writeln!(self.0, r#"<path class="{class}" d="{path}"><title>{title}</title></path>"#);
    }
}

fn places(points: &[[f64; 2]]) -> String {
    let places: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1} {y:.1}")).collect();
    places.join("L")
}

/// A figure as pixels, twice as many as it has units.
#[cfg(feature = "png")]
pub fn png(svg: &str, path: &std::path::Path) -> crate::error::Result<Vec<u8>> {
    use crate::files::failure;
    use resvg::{tiny_skia, usvg};
    let fail = |error: &dyn std::fmt::Display| failure("cannot draw", path, error);
    let mut options = usvg::Options::default();
    options.fontdb_mut().load_system_fonts();
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| fail(&error))?;
    let size = tree.size().to_int_size();
    let mut pixels = tiny_skia::Pixmap::new(2 * size.width(), 2 * size.height())
        .ok_or_else(|| fail(&"it has no size"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(2.0, 2.0), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| fail(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_no_markup() {
        assert_eq!(escape("<a href='x'>\"&\n"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp; ");
        let mut svg = Svg::default();
        svg.text("label", [1.0, 2.0], "end", "</text><script>");
        svg.polyline("line", &[[0.0, 1.0], [2.0, 3.0]], "a<b");
        assert!(
            !svg.0.contains("<script>")
                && svg.0.contains("<title>a&lt;b</title>")
                && svg.0.contains(r#"d="M0.0 1.0L2.0 3.0""#)
        );
    }
}
