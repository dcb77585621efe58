//! Bars drawn as SVG.
//!
//! The drawing has colours that stand for a meaning; the style sheet puts others in their place, for
//! light and dark.

use dcnet_obis::ScaledInteger;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::chart::{Chart, State, Weight};
use super::speech::Speech;

const BAR: RGBColor = RGBColor(1, 1, 1);
const PARTIAL: RGBColor = RGBColor(2, 2, 2);
const GAP: RGBColor = RGBColor(3, 3, 3);
const GRID: RGBColor = RGBColor(4, 4, 4);
const TEXT: RGBColor = RGBColor(5, 5, 5);

/// Width, height, and which marks are drawn.
pub(super) struct Form {
    pub(super) size: (u32, u32),
    pub(super) class: &'static str,
    least: Weight,
    font: u32,
}

pub(super) const FORMS: [Form; 2] = [
    Form {
        size: (760, 240),
        class: "wide",
        least: Weight::Minor,
        font: 15,
    },
    Form {
        size: (340, 210),
        class: "narrow",
        least: Weight::Major,
        font: 15,
    },
];

/// Space around the bars, in pixels: left, right, top, bottom.
const LEFT: u32 = 46;
const RIGHT: u32 = 6;
const TOP: u32 = 26;
const BOTTOM: u32 = 24;

/// The column of a bar in pixels: left, upper end, width, height.
pub(super) type Place = (i32, i32, i32, i32);

type DrawResult<T> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// Draws into `drawing`; answers where the columns are.
pub(super) fn draw(
    chart: &Chart,
    l: Speech,
    form: &Form,
    (top, step): (i64, i64),
    drawing: &mut String,
) -> DrawResult<Vec<Place>> {
    /// Widths of columns, gaps between bars included, in parts of an axis that counts integers.
    const COLUMN: i64 = 20;
    let root = SVGBackend::with_string(drawing, form.size).into_drawing_area();
    let count = i64::try_from(chart.bars.len()).unwrap_or(1).max(1);
    let plot = ChartBuilder::on(&root)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .set_label_area_size(LabelAreaPosition::Bottom, BOTTOM)
        .build_cartesian_2d(0..count * COLUMN, 0..top)?;
    let at = |x: i64, y: i64| plot.backend_coord(&(x, y));
    let style = |anchor| {
        TextStyle::from(("sans-serif", form.font).into_font())
            .color(&TEXT)
            .pos(anchor)
    };
    let (right, _) = at(count * COLUMN, 0);
    let (left, zero) = at(0, 0);
    let (_, upper) = at(0, top);

    let (shift, unit) = chart.axis(top);
    let mut value = 0;
    while value <= top {
        let (_, y) = at(0, value);
        root.draw(&PathElement::new([(left, y), (right, y)], GRID))?;
        let number = ScaledInteger::new(value.into(), chart.scale.saturating_add(shift));
        let anchor = Pos::new(HPos::Right, VPos::Center);
        root.draw(&Text::new(plain(l, number), (left - 6, y), style(anchor)))?;
        value = value.saturating_add(step);
    }
    let anchor = Pos::new(HPos::Left, VPos::Top);
    root.draw(&Text::new(unit, (2, 2), style(anchor)))?;

    let mut places = Vec::new();
    // As high as the chart: nobody takes it for a 0.
    let mut gap: Option<(i32, i32)> = None;
    for (bar, number) in chart.bars.iter().zip(0_i64..) {
        let (begin, end) = (number * COLUMN, (number + 1) * COLUMN);
        let (x0, x1) = (at(begin, 0).0, at(end, 0).0);
        places.push((x0, upper, x1 - x0, zero - upper));
        if bar.state == State::Gap {
            // Gaps beside each other are one.
            match &mut gap {
                Some((_, end)) => *end = x1,
                None => gap = Some((x0, x1)),
            }
            continue;
        }
        if let Some((x0, x1)) = gap.take() {
            root.draw(&Rectangle::new([(x0, upper), (x1, zero)], GAP.filled()))?;
        }
        let space = if x1 - x0 > 5 { (x1 - x0) / 6 } else { 0 };
        let (x0, x1) = (x0 + space, (x1 - space.max(1)).max(x0 + 1));
        let colour = match bar.state {
            State::Whole(_) => BAR,
            State::Partial { .. } => PARTIAL,
            State::Gap | State::Future | State::Before => continue,
        };
        let sum = bar.state.height().unwrap_or(0);
        let y = at(0, i64::try_from(sum).unwrap_or(top).clamp(0, top)).1;
        // What is not 0 is to be seen.
        let y = if sum > 0 { y.min(zero - 1) } else { y };
        root.draw(&Rectangle::new([(x0, y), (x1, zero)], colour.filled()))?;
    }
    if let Some((x0, x1)) = gap {
        root.draw(&Rectangle::new([(x0, upper), (x1, zero)], GAP.filled()))?;
    }
    for (bar, (x, _, width, _)) in chart.bars.iter().zip(&places) {
        let Some((text, weight)) = &bar.tick else {
            continue;
        };
        if form.least == Weight::Major && *weight == Weight::Minor {
            continue;
        }
        // Marks of hours stand where the hour begins, those of days below their day.
        let middle = if chart.bars.len() > 50 {
            *x
        } else {
            x + width / 2
        };
        root.draw(&PathElement::new(
            [(middle, zero), (middle, zero + 4)],
            GRID,
        ))?;
        let anchor = Pos::new(HPos::Center, VPos::Top);
        root.draw(&Text::new(text.clone(), (middle, zero + 7), style(anchor)))?;
    }
    root.present()?;
    drop(plot);
    drop(root);
    Ok(places)
}

/// A number at the axis, without zeros at its end.
fn plain(l: Speech, number: ScaledInteger) -> String {
    let text = l.decimal(number);
    if number.exponent() < 0 {
        let text = text.trim_end_matches('0');
        text.trim_end_matches(['.', ',']).to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use dcnet_obis::Language;

    use super::*;

    #[test]
    fn axes_have_numbers_without_needless_zeros() {
        let plain = |mantissa, exponent| {
            plain(
                Speech(Language::German),
                ScaledInteger::new(mantissa, exponent),
            )
        };
        assert_eq!(plain(5_000, -4), "0,5");
        assert_eq!(plain(0, -4), "0");
        assert_eq!(plain(10, 0), "10");
    }
}
