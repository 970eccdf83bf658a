//! Tables as the reference prints them.

use std::fmt::Write;

/// Which side a column leans to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A table with a frame, its head in the middle of the columns.
pub(crate) fn render(head: &[(&str, Side)], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(at, (name, _))| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| shown_width(cell)).max();
            widest.unwrap_or(0).max(name.len())
        })
        .collect();
    let mut line = String::from("+");
    for width in &widths {
        let _ = write!(line, "{}+", "-".repeat(width + 2));
    }
    let mut out = format!("{line}\n|");
    for ((name, _), width) in head.iter().zip(&widths) {
        let free = width - name.len();
        let left = free.div_ceil(2);
        let (left, right) = (" ".repeat(left), " ".repeat(free - left));
        let _ = write!(out, " {left}{name}{right} |");
    }
    let _ = write!(out, "\n{line}\n");
    for row in rows {
        out.push('|');
        for ((cell, (_, side)), width) in row.iter().zip(head).zip(&widths) {
            let blanks = " ".repeat(width - shown_width(cell));
            let _ = match side {
                Side::Left => write!(out, " {cell}{blanks} |"),
                Side::Right => write!(out, " {blanks}{cell} |"),
            };
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{line}");
    out
}

/// Characters that a terminal shows: colours (from ESC to `m`) are none.
fn shown_width(cell: &str) -> usize {
    let mut parts = cell.split('\x1b');
    let first = parts.next().unwrap_or_default().chars().count();
    let after = |part: &str| {
        part.split_once('m')
            .map_or(0, |(_, text)| text.chars().count())
    };
    first + parts.map(after).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_leans_to_the_right_by_one() {
        let head = [("size", Side::Right), ("name", Side::Left)];
        let rows = [vec!["65536".to_string(), "a".to_string()]];
        assert_eq!(
            render(&head, &rows),
            "+-------+------+\n|  size | name |\n+-------+------+\n| 65536 | a    |\n+-------+------+\n"
        );
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(shown_width("\x1b[1;32mdüne\x1b[0m s"), 6);
    }
}
