//! Lines over net sizes, drawn as SVG.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Estimate;

const SIZE: (u32, u32) = (760, 300);
const LEFT: u32 = 52;
const RIGHT: u32 = 150;
const TOP: u32 = 14;
const BOTTOM: u32 = 40;
const FONT: u32 = 14;

const GRID: RGBColor = RGBColor(215, 215, 215);
const TEXT: RGBColor = RGBColor(60, 60, 60);

/// Colours that people who do not see all colours tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(120, 120, 120),
    RGBColor(86, 180, 233),
];

/// One line: its name, and a value with its interval for each size, where there is one.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<Option<Estimate>>,
}

/// What is drawn over the same sizes.
pub(super) struct Chart<'a> {
    pub(super) sizes: &'a [u32],
    pub(super) lines: Vec<Line>,
    /// Upper end of the axis.
    pub(super) top: f64,
    /// A limit to stay below.
    pub(super) bound: Option<f64>,
}

type DrawResult = Result<(), DrawingAreaErrorKind<std::io::Error>>;

impl Chart<'_> {
    /// The drawing, an `svg` element.
    pub(super) fn svg(&self) -> String {
        let mut drawing = String::new();
        // A string takes everything: there is no error to report.
        let _ = self.draw(&mut drawing);
        drawing
    }

    fn draw(&self, drawing: &mut String) -> DrawResult {
        let root = SVGBackend::with_string(drawing, SIZE).into_drawing_area();
        let last = self.sizes.len().saturating_sub(1).max(1) as f64;
        let plot = ChartBuilder::on(&root)
            .margin_top(TOP)
            .margin_right(RIGHT)
            .set_label_area_size(LabelAreaPosition::Left, LEFT)
            .set_label_area_size(LabelAreaPosition::Bottom, BOTTOM)
            .build_cartesian_2d(0.0..last, 0.0..self.top)?;
        let at = |x: usize, y: f64| plot.backend_coord(&(x as f64, y.clamp(0.0, self.top)));
        let style = |colour: &'static RGBColor, horizontal, vertical| {
            TextStyle::from(("sans-serif", FONT).into_font())
                .color(colour)
                .pos(Pos::new(horizontal, vertical))
        };
        let (left, bottom) = at(0, 0.0);
        let right = at(self.sizes.len().saturating_sub(1).max(1), 0.0).0;
        for step in 0..=4_u32 {
            let value = self.top * f64::from(step) / 4.0;
            let y = at(0, value).1;
            root.draw(&PathElement::new([(left, y), (right, y)], GRID))?;
            let text = format!("{}", super::statistics::rounded(value));
            root.draw(&Text::new(
                text,
                (left - 8, y),
                style(&TEXT, HPos::Right, VPos::Center),
            ))?;
        }
        for (index, size) in self.sizes.iter().enumerate() {
            let below = (at(index, 0.0).0, bottom + 6);
            root.draw(&Text::new(
                size.to_string(),
                below,
                style(&TEXT, HPos::Center, VPos::Top),
            ))?;
        }
        let middle = (i32::midpoint(left, right), bottom + 22);
        root.draw(&Text::new(
            "members",
            middle,
            style(&TEXT, HPos::Center, VPos::Top),
        ))?;
        if let Some(bound) = self.bound {
            let y = at(0, bound).1;
            root.draw(&PathElement::new([(left, y), (right, y)], BLACK))?;
            let beside = (right + 8, y);
            root.draw(&Text::new(
                "bound",
                beside,
                style(&BLACK, HPos::Left, VPos::Center),
            ))?;
        }
        for (number, (line, colour)) in self.lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let points: Vec<(usize, Estimate)> = line
                .points
                .iter()
                .enumerate()
                .filter_map(|(index, point)| Some((index, (*point)?)))
                .collect();
            let path: Vec<(i32, i32)> = points
                .iter()
                .map(|(index, point)| at(*index, point.value))
                .collect();
            for (index, point) in &points {
                let ends = [at(*index, point.low), at(*index, point.high)];
                root.draw(&PathElement::new(ends, colour))?;
            }
            for place in &path {
                root.draw(&Circle::new(*place, 3, colour.filled()))?;
            }
            root.draw(&PathElement::new(path, colour.stroke_width(2)))?;
            let row = i32::try_from(TOP + 18 * u32::try_from(number).unwrap_or(0)).unwrap_or(0);
            let name = (right + 24, row);
            root.draw(&PathElement::new(
                [(right + 8, row), (right + 20, row)],
                colour.stroke_width(3),
            ))?;
            root.draw(&Text::new(
                line.name.clone(),
                name,
                style(&TEXT, HPos::Left, VPos::Center),
            ))?;
        }
        root.present()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_where_its_values_are() {
        let point = |value: f64| {
            Some(Estimate {
                value,
                low: value,
                high: value,
            })
        };
        let chart = Chart {
            sizes: &[2, 5, 10],
            lines: vec![Line {
                name: "a < b".to_owned(),
                points: vec![point(1.0), None, point(0.0)],
            }],
            top: 1.0,
            bound: Some(0.5),
        };
        let svg = chart.svg();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("a &lt; b"), "{svg}");
        // From the upper left to the lower right corner, with two marks.
        let (left, right) = (LEFT, SIZE.0 - RIGHT - 1);
        let bottom = SIZE.1 - BOTTOM - 1;
        assert_eq!(svg.matches("<circle ").count(), 2, "{svg}");
        let line = format!("points=\"{left},{TOP} {right},{bottom} \"");
        assert!(svg.contains(&line), "{line}\n{svg}");
    }
}
