// Supabase Lite over PGlite, in memory, on a free port of the loopback; ends when its standard input does.
// One route of its own, POST /sandbox/sql {sql, parameters}, runs SQL as the database's owner.
import { readFileSync } from "node:fs";
import { serve } from "@hono/node-server";
import { App } from "@supabase/lite";
import { createPgliteConnection } from "@supabase/lite/pglite";

const { publishableKey, secretKey, jwtSecret } = JSON.parse(process.argv[2]);

// Values as PostgREST renders them: every digit of a number, ISO 8601 times, NaN as text.
function number(text) {
  const value = Number(text);
  if (String(value) === text) return Number.isFinite(value) ? value : text;
  return JSON.rawJSON(text);
}
const moment = (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
const parsers = { 20: number, 700: number, 701: number, 1700: number, 1114: moment, 1184: moment };

const connection = await createPgliteConnection({ pgliteOptions: { parsers } });
for (const file of ["../schema.sql", "../../../src/sql/report_deliveries.sql", "../../../src/sql/reports_role.sql"]) {
  await connection.driver.exec(readFileSync(new URL(file, import.meta.url), "utf8"));
}

const app = new App({
  connection,
  api: { max_rows: 1000 },
  auth: {
    enabled: true,
    jwt_secret: jwtSecret,
    publishable_key: publishableKey,
    secret_key: secretKey,
  },
  options: { server: { admin: false } },
});
await app.ensureSystemSchema();

async function fetch(request, env) {
  if (new URL(request.url).pathname !== "/sandbox/sql") {
    return app.fetch(request, { peerAddress: env.incoming.socket.remoteAddress ?? null });
  }
  const { sql, parameters } = await request.json();
  try {
    return Response.json((await connection.driver.query(sql, parameters)).rows);
  } catch (error) {
    return Response.json({ message: String(error) }, { status: 400 });
  }
}

serve({ fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => console.log(`ready ${port}`));
process.stdin.resume().on("end", () => process.exit(0));
