// Charts over time, each with a sentence and a table that say the same.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { theme } from "../media";
import { moment } from "../pure/format";
import { dashOf, numbered, spread } from "../pure/labels";
import { clock } from "../store";

export interface Line {
  label: string;
  values: (number | null)[];
}

export interface ChartMark {
  at: number;
  text: string;
}

const HEIGHT = 130;
// What is drawn in a chart beside its lines, in CSS pixels.
const NAME_HEIGHT = 12;
const MARK_WIDTH = 28;
const AXIS_HEIGHT = 24;
const TOP = 14;
const MOST_MARKS = 12;
const COLOURS = 6;

function colours(element: HTMLElement): { ink: string; grid: string; mark: string; lines: string[] } {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    ink: of("--quiet"),
    grid: of("--line"),
    mark: of("--moves"),
    lines: Array.from({ length: COLOURS }, (_, index) => of(`--chart-${index + 1}`)),
  };
}

export interface ChartProps {
  title: string;
  told: string;
  times: number[];
  lines: Line[];
  marks: ChartMark[];
  format: (value: number | null) => string;
  steps?: boolean;
}

/** One line is told by the title; more have their names at their ends. */
function heightOf(lines: number): number {
  return lines > 1 ? Math.max(HEIGHT, TOP + AXIS_HEIGHT + lines * NAME_HEIGHT) : HEIGHT;
}

function nameWidth(lines: readonly Line[]): number {
  if (lines.length < 2) return 8;
  return Math.min(130, 22 + 6.5 * Math.max(...lines.map((line) => line.label.length)));
}

export function Chart(props: ChartProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef(props);
  now.current = props;
  const names = props.lines.map((line) => line.label).join("\n");
  const dark = theme.value;

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const look = colours(element);
    const made = new uPlot(options(now, look, element.clientWidth), data(now.current), element);
    plot.current = made;
    const watch = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: heightOf(now.current.lines.length) }),
    );
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, dark]);

  useEffect(() => {
    plot.current?.setData(data(props));
  }, [props]);

  return (
    <figure class="chart">
      <figcaption>
        <strong>{props.title}</strong> <span class="quiet">{props.told}</span>
      </figcaption>
      <div ref={place} class="plot" aria-hidden="true" style={{ height: `${heightOf(props.lines.length)}px` }} />
      <details>
        <summary>The same as a table</summary>
        <ChartTable {...props} />
      </details>
    </figure>
  );
}

function data(props: ChartProps): uPlot.AlignedData {
  return [props.times, ...props.lines.map((line) => line.values)] as uPlot.AlignedData;
}

function options(now: { current: ChartProps }, look: ReturnType<typeof colours>, width: number): uPlot.Options {
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const series = now.current.lines.map((line, index) => ({
    label: line.label,
    stroke: look.lines[index % COLOURS] ?? look.ink,
    width: 1.5,
    dash: dashOf(index, COLOURS),
    points: { show: false },
    ...(now.current.steps && stepped ? { paths: stepped } : {}),
  }));
  const axis = {
    stroke: look.ink,
    grid: { stroke: look.grid, width: 1 },
    ticks: { show: false },
    font: "11px sans-serif",
  };
  return {
    width,
    height: heightOf(now.current.lines.length),
    padding: [TOP, nameWidth(now.current.lines), 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, _low, high) => [0, Math.max(high * 1.1, 0.001)] } },
    series: [{}, ...series],
    axes: [
      { ...axis, size: 24, values: (_, splits) => splits.map((at) => moment(at, clock.peek()).slice(-8, -3)) },
      { ...axis, size: 62, values: (_, splits) => splits.map((value) => now.current.format(value)) },
    ],
    hooks: {
      draw: [
        (self) => {
          drawMarks(self, now.current.marks, look);
          if (now.current.lines.length > 1) drawNames(self, now.current.lines, look);
        },
      ],
    },
  };
}

/** A line for each event, with the number that it has in the list. */
function drawMarks(self: uPlot, marks: readonly ChartMark[], look: ReturnType<typeof colours>): void {
  const { ctx, bbox } = self;
  const ratio = uPlot.pxRatio;
  const places = marks.map((mark) => Math.round(self.valToPos(mark.at, "x", true)));
  ctx.save();
  ctx.strokeStyle = look.mark;
  ctx.fillStyle = look.ink;
  ctx.font = `${10 * ratio}px sans-serif`;
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  ctx.setLineDash([4, 3]);
  for (const x of places) {
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  for (const { at, text } of numbered(places, MARK_WIDTH * ratio)) {
    if (at >= bbox.left && at <= bbox.left + bbox.width) ctx.fillText(text, at, bbox.top - 2 * ratio);
  }
  ctx.restore();
}

/** The name of each line at its end, with a stroke that leads to it. */
function drawNames(self: uPlot, lines: readonly Line[], look: ReturnType<typeof colours>): void {
  const { ctx, bbox } = self;
  const ratio = uPlot.pxRatio;
  const ends = lines.map((line) => self.valToPos(line.values.findLast((value) => value !== null) ?? 0, "y", true));
  const places = spread(ends, NAME_HEIGHT * ratio, bbox.top, bbox.top + bbox.height);
  const right = bbox.left + bbox.width;
  ctx.save();
  ctx.fillStyle = look.ink;
  ctx.font = `${11 * ratio}px sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.lineWidth = 1.5 * ratio;
  lines.forEach((line, index) => {
    const y = places[index] ?? 0;
    ctx.strokeStyle = look.lines[index % COLOURS] ?? look.ink;
    ctx.setLineDash(dashOf(index, COLOURS).map((part) => part * ratio));
    ctx.beginPath();
    ctx.moveTo(right, ends[index] ?? y);
    ctx.lineTo(right + 14 * ratio, y);
    ctx.stroke();
    ctx.fillText(line.label, right + 17 * ratio, y);
  });
  ctx.restore();
}

/** What the numbered marks of charts are; `marks` are the earliest first. */
export function MarkList({ marks }: { marks: readonly ChartMark[] }): JSX.Element | null {
  if (marks.length === 0) return null;
  const first = Math.max(0, marks.length - MOST_MARKS);
  return (
    <section aria-label="Marked events">
      {first > 0 && <p class="quiet">{first} earlier events are marked too: see the table of a chart.</p>}
      <ol class="marks" start={first + 1}>
        {marks.slice(first).map((mark, index) => (
          <li key={`${mark.at}${mark.text}${index}`}>
            <span class="num quiet">{moment(mark.at, clock.peek())}</span> {mark.text}
          </li>
        ))}
      </ol>
    </section>
  );
}

const ROWS = 12;

function ChartTable(props: ChartProps): JSX.Element {
  const step = Math.max(1, Math.ceil(props.times.length / ROWS));
  const rows = props.times.map((_, index) => index).filter((index) => (props.times.length - 1 - index) % step === 0);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" tabIndex={0} aria-label={`${props.title}, table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">time</th>
            {props.lines.map((line) => (
              <th key={line.label} scope="col" class="num">
                {line.label}
              </th>
            ))}
            <th scope="col">events</th>
          </tr>
        </thead>
        <tbody>
          {rows.reverse().map((index) => {
            const at = props.times[index] ?? 0;
            const from = props.times[index - step] ?? 0;
            const marks = props.marks.filter((mark) => mark.at > from && mark.at <= at);
            return (
              <tr key={at}>
                <th scope="row">{moment(at, clock.peek())}</th>
                {props.lines.map((line) => (
                  <td key={line.label} class="num">
                    {props.format(line.values[index] ?? null)}
                  </td>
                ))}
                <td>{marks.map((mark) => mark.text).join("; ")}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
