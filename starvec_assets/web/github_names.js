// Logins and owner/name as GitHub has them, safe in an address: the patterns of starvec_assets/github_names.py.

export const LOGIN_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;
export const REPOSITORY_PATTERN =
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\/(?:[A-Za-z0-9_-]|\.[A-Za-z0-9_-]|\.\.[A-Za-z0-9_.-])[A-Za-z0-9_.-]{0,99}$/;
