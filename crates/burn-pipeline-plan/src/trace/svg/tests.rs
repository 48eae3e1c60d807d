use rstest::rstest;

use super::Svg;
use crate::{
    Cost, Costs, Instruction, Rematerialization, ScheduleKind, Span, Timeline, rematerialize,
    simulate,
};

/// A rectangle of an instruction.
struct Rectangle {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    title: String,
}

fn rectangles(drawing: &str) -> Vec<Rectangle> {
    let lines = drawing.lines().filter(|it| it.contains("<title>"));
    lines
        .map(|line| Rectangle {
            left: attribute(line, "x"),
            top: attribute(line, "y"),
            right: attribute(line, "x") + attribute(line, "width"),
            bottom: attribute(line, "y") + attribute(line, "height"),
            title: between(line, "<title>", "</title>").to_string(),
        })
        .collect()
}

/// The rows behind them, as left, top, right and bottom.
fn rows(drawing: &str) -> Vec<[f64; 4]> {
    let groups = drawing.split("<g fill=\"#f0f0f0\">").skip(1);
    let lines = groups.flat_map(|it| between(it, "", "</g>").trim().lines());
    lines
        .map(|line| {
            let (x, y) = (attribute(line, "x"), attribute(line, "y"));
            [
                x,
                y,
                x + attribute(line, "width"),
                y + attribute(line, "height"),
            ]
        })
        .collect()
}

fn attribute(line: &str, name: &str) -> f64 {
    between(line, &format!(" {name}=\""), "\"").parse().unwrap()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0
}

fn simulated(kind: ScheduleKind, num_stages: usize, num_micro_batches: usize) -> Timeline {
    let schedule = kind.schedule(num_stages, num_micro_batches).unwrap();
    let schedule = rematerialize(schedule, Rematerialization::ExceptLast);
    let cost = Cost {
        forward: 0.01,
        recompute: 0.01,
        backward: 0.023,
        boundary: 0.001,
        ..Cost::default()
    };
    simulate(&schedule, &Costs::equal(cost)).unwrap().timeline
}

#[test]
fn a_step_of_one_stage_is_drawn() {
    let spans = vec![
        Span::new(0, Instruction::forward(0), 1.0, 1.0012),
        Span::new(0, Instruction::backward(0), 1.0014, 1.0036),
    ];
    let timeline = Timeline::new(1, spans);
    insta::assert_snapshot!(Svg::of(&[("R&D", &timeline)]), @r##"
    <svg xmlns="http://www.w3.org/2000/svg" width="640" height="112" viewBox="0 0 640 112" font-family="sans-serif" font-size="14" fill="#222">
    <rect width="640" height="112" fill="#fff"/>
    <text x="8" y="24"><tspan font-weight="bold">R&amp;D</tspan>: makespan 3.60 ms</text>
    <text x="632" y="24" text-anchor="end">bubble 5.6 %</text>
    <g fill="#f0f0f0">
    <rect x="66.8" y="32" width="506.8" height="23"/>
    </g>
    <path stroke="#ccc" stroke-width="0.5" d="M66.8 32V58M137.19 32V58M207.58 32V58M277.97 32V58M348.36 32V58M418.74 32V58M489.13 32V58M559.52 32V58"/>
    <text x="8" y="48.4">stage 0</text>
    <text x="632" y="48.4" text-anchor="end">5.6 %</text>
    <g shape-rendering="crispEdges">
    <rect x="66.8" y="32" width="168.93" height="23" fill="#b8dcf4" stroke="#fff" shape-rendering="auto"><title>F0 on stage 0: 0 ms to 1.2 ms</title></rect>
    <rect x="263.89" y="32" width="309.71" height="23" fill="#1a9274" stroke="#fff" shape-rendering="auto"><title>B0 on stage 0: 1.4 ms to 3.6 ms</title></rect>
    </g>
    <g text-anchor="middle" pointer-events="none">
    <text x="151.26" y="47.7" font-size="12" fill="#222">0</text>
    <text x="418.75" y="47.7" font-size="12" fill="#fff">0</text>
    </g>
    <path fill="none" stroke="#222" d="M66.8 58H573.6M66.8 58v4M137.19 58v4M207.58 58v4M277.97 58v4M348.36 58v4M418.74 58v4M489.13 58v4M559.52 58v4"/>
    <g text-anchor="middle">
    <text x="66.8" y="76">0.0</text>
    <text x="137.19" y="76">0.5</text>
    <text x="207.58" y="76">1.0</text>
    <text x="277.97" y="76">1.5</text>
    <text x="348.36" y="76">2.0</text>
    <text x="418.74" y="76">2.5</text>
    <text x="489.13" y="76">3.0</text>
    <text x="559.52" y="76">3.5</text>
    </g>
    <text x="632" y="76" text-anchor="end">ms</text>
    <rect x="66.8" y="86" width="14" height="14" fill="#b8dcf4"/>
    <text x="86.8" y="97.9">forward</text>
    <rect x="157.6" y="86" width="14" height="14" fill="#1a9274"/>
    <text x="177.6" y="97.9">backward</text>
    <rect x="256.8" y="86" width="14" height="14" fill="#f0f0f0"/>
    <text x="276.8" y="97.9">bubble</text>
    </svg>
    "##);
}

#[rstest]
#[case(ScheduleKind::GPipe, 4, 4)]
#[case(ScheduleKind::OneForwardOneBackward, 30, 40)]
#[case(ScheduleKind::Interleaved { num_chunks: 3 }, 4, 8)]
fn every_instruction_is_a_rectangle_in_the_row_of_its_stage(
    #[case] kind: ScheduleKind,
    #[case] num_stages: usize,
    #[case] num_micro_batches: usize,
) {
    let long = simulated(kind, num_stages, num_micro_batches);
    let short = simulated(ScheduleKind::GPipe, 2, 2);
    let drawing = Svg::of(&[("long", &long), ("short", &short)]).to_string();
    let rows = rows(&drawing);
    assert_eq!(rows.len(), num_stages + 2);

    let spans: Vec<&Span> = long.spans().chain(short.spans()).collect();
    let rectangles = rectangles(&drawing);
    assert_eq!(rectangles.len(), spans.len());
    for (index, (rectangle, span)) in rectangles.iter().zip(&spans).enumerate() {
        let first_row = if index < long.spans().count() {
            0
        } else {
            num_stages
        };
        let [left, top, right, bottom] = rows[first_row + span.stage];
        assert!(rectangle.left >= left - 0.02 && rectangle.right <= right + 0.02);
        assert_eq!((rectangle.top, rectangle.bottom), (top, bottom));
        let name = format!("{} on stage {}: ", span.instruction, span.stage);
        assert!(rectangle.title.starts_with(&name), "{}", rectangle.title);
    }
    for pair in rectangles.windows(2).filter(|it| it[0].top == it[1].top) {
        assert!(pair[0].right <= pair[1].left + 0.02);
    }
}

#[test]
fn rows_are_below_each_other_and_on_the_page() {
    let timeline = simulated(ScheduleKind::GPipe, 64, 64);
    let drawing = Svg::of(&[("a", &timeline), ("b", &timeline)]).to_string();
    let height = attribute(&drawing, "height");
    let rows = rows(&drawing);
    assert!(rows.windows(2).all(|pair| pair[0][3] < pair[1][1]));
    assert!(rows.iter().all(|row| row[3] < height && row[2] < 640.0));
}

#[test]
fn a_rectangle_too_narrow_has_no_number_and_no_edge() {
    let timeline = simulated(ScheduleKind::GPipe, 2, 200);
    let drawing = Svg::new(&timeline).to_string();
    assert!(!drawing.contains("stroke=\"#fff\""));
    assert!(!drawing.contains("font-size=\"7"));
}

#[test]
fn a_legend_names_what_occurs() {
    let forward = Timeline::new(1, vec![Span::new(0, Instruction::forward(0), 0.0, 1.0)]);
    let drawing = Svg::new(&forward).to_string();
    assert!(drawing.contains(">forward<") && !drawing.contains("backward"));
    assert!(!drawing.contains("chunk"));
    let interleaved = simulated(ScheduleKind::Interleaved { num_chunks: 2 }, 2, 2);
    let drawing = Svg::new(&interleaved).to_string();
    assert!(drawing.contains(">light to dark: chunk 0 to 1<"));
}

#[test]
fn a_drawing_of_nothing_has_no_rectangles() {
    let empty = Timeline::new(2, vec![]);
    for drawing in [Svg::of(&[]), Svg::new(&empty)] {
        let drawing = drawing.to_string();
        assert!(!drawing.contains("NaN") && !drawing.contains("inf"));
        assert!(rectangles(&drawing).is_empty());
    }
}
