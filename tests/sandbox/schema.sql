-- Roles as on Supabase, the table in three shapes of id, and one that row-level security guards.
create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
grant usage on schema public to anon, authenticated, service_role;

create table analyses (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  status text,
  duration double precision,
  records_processed bigint,
  records_failed bigint
);
create index analyses_created_at_id on analyses (created_at, id);

create table analyses_numbered (
  id bigint primary key,
  created_at timestamptz not null default now(),
  status text,
  duration numeric(12, 2),
  records_processed bigint,
  records_failed bigint
);

create table analyses_named (
  id text primary key,
  created_at timestamp not null default (now() at time zone 'utc'),
  status text,
  duration double precision,
  records_processed integer,
  records_failed integer
);

create table analyses_guarded (like analyses including all);
alter table analyses_guarded enable row level security;
create policy shared on analyses_guarded for select to anon using (status = 'shared');
grant select on analyses_guarded to anon;

create table analyses_forbidden (like analyses including all);

create table analyses_other (id text primary key, created_at timestamptz, status text);

-- Figures and statuses of any kind, as a table that nobody looked after may hold them.
create table analyses_loose (
  id text primary key,
  created_at timestamptz not null,
  status jsonb,
  duration text,
  records_processed numeric,
  records_failed text
);

grant select, insert, update, delete on all tables in schema public to service_role;
revoke all on analyses_forbidden from service_role;
