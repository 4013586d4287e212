// Charts over time, each with a sentence and a table that say the same.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { theme } from "../media";
import { moment } from "../pure/format";
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
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
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
      <div ref={place} class="plot" aria-hidden="true" />
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
    height: HEIGHT,
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
          const { ctx, bbox } = self;
          ctx.save();
          ctx.strokeStyle = look.mark;
          ctx.setLineDash([4, 3]);
          for (const mark of now.current.marks) {
            const x = Math.round(self.valToPos(mark.at, "x", true));
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
          }
          ctx.restore();
        },
      ],
    },
  };
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
