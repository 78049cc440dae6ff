// A table that sorts by its columns and becomes a list of cards on a phone. Roles are written out because a table that
// is laid out as blocks loses them.

import type { ComponentChildren } from "preact";

export interface Column<T> {
  key: string;
  title: string;
  right?: boolean;
  wide?: boolean; // takes the whole width of a card
  sort?: (row: T) => string | number;
  cell: (row: T) => ComponentChildren;
}

export interface Order {
  key: string;
  down: boolean;
}

export const parseOrder = (text: string | null, fallback: string): Order => {
  const order = text ?? fallback;
  return order.startsWith("-") ? { key: order.slice(1), down: true } : { key: order, down: false };
};

export function sorted<T>(rows: T[], columns: Column<T>[], order: Order): T[] {
  const by = columns.find((c) => c.key === order.key)?.sort;
  if (!by) return rows;
  const sign = order.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const x = by(a), y = by(b);
    if (typeof x === "string" && typeof y === "string") return sign * x.localeCompare(y, "en", { numeric: true });
    return x < y ? -sign : x > y ? sign : 0;
  });
}

export function Table<T>({ caption, columns, rows, id, order, onOrder }: {
  caption: string;
  columns: Column<T>[];
  rows: T[];
  id: (row: T) => string;
  order?: Order;
  onOrder?: (order: string) => void;
}) {
  return (
    <div class="table-frame">
      <table role="table">
        <caption class="hidden">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((c) => {
              const active = order?.key === c.key;
              const next = active && !order.down ? `-${c.key}` : c.key;
              return (
                <th key={c.key} role="columnheader" scope="col" class={c.right ? "right" : undefined}
                  aria-sort={active ? (order.down ? "descending" : "ascending") : undefined}>
                  {c.sort && onOrder
                    ? <button type="button" class="sort" onClick={() => onOrder(next)}>{c.title}<span aria-hidden="true">{active ? (order.down ? "↓" : "↑") : ""}</span></button>
                    : c.title}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr role="row" key={id(row)}>
              {columns.map((c) => (
                <td key={c.key} role="cell" data-label={c.title} class={[c.right && "right", c.wide && "wide"].filter(Boolean).join(" ") || undefined}>
                  {c.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
