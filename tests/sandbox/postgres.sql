-- What Supabase Lite can't have: ids under a collation of ICU.
create table analyses_named_icu (like analyses including all);
alter table analyses_named_icu alter id drop default, alter id type text collate unicode using '';
grant select, insert, update, delete on analyses_named_icu to service_role;

-- The tables of Supabase Storage, with the columns that a statement of ours or of the stand-in uses.
create schema storage;
grant usage on schema storage to anon, authenticated, service_role;

create table storage.buckets (
  id text primary key,
  name text not null unique,
  public boolean default false,
  file_size_limit bigint,
  allowed_mime_types text[],
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);

create table storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text references storage.buckets,
  name text,
  metadata jsonb,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  unique (bucket_id, name)
);

alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role;
