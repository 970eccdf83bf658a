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
            let widest = cells.map(|cell| cell.chars().count()).max();
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
            let _ = match side {
                Side::Left => write!(out, " {cell:<width$} |"),
                Side::Right => write!(out, " {cell:>width$} |"),
            };
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{line}");
    out
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
}
