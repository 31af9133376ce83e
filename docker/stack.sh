#!/bin/sh
# `make up` and `make down`: start what compose.yaml describes and say what to type next; stop it and keep what is kept.
set -eu
cd "$(dirname "$0")"

fail() {
  printf '%s\n' "$*" >&2
  exit 2
}

check_docker() {
  command -v docker >/dev/null || fail "docker: not installed here. The stack needs Docker with Compose (docs/docker.md);" \
    "without it, sweeps run as ever: ledger and MLflow in the runs directory"
  version=$(docker compose version --short 2>/dev/null) || fail "docker compose: not installed here; it is the plugin of" \
    "that name (2.23.1 or newer), not docker-compose"
  oldest=$(printf '%s\n' 2.23.1 "${version#v}" | sort -V | head -n 1)
  [ "$oldest" = 2.23.1 ] || fail "docker compose: 2.23.1 or newer is needed, this is ${version#v}"
  docker info >/dev/null 2>&1 || fail "docker: its daemon cannot be reached ($(docker info 2>&1 >/dev/null | head -n 1));" \
    "start it, or ask to be let use it"
}

new_secret() {
  od -An -tx1 -N24 /dev/urandom | tr -d ' \n'
}

make_secrets() {
  if docker volume inspect lge-sweep_postgres >/dev/null 2>&1; then
    fail "docker/.env is missing, but PostgreSQL's volume lge-sweep_postgres is there, with the passwords of that file: put" \
      "it back from your backup, or set new passwords as docs/docker.md says. Nothing was changed"
  fi
  (umask 077
   while IFS= read -r line; do
     case $line in
       [A-Z]*=) printf '%s%s\n' "$line" "$(new_secret)" ;;
       *) printf '%s\n' "$line" ;;
     esac
   done < env.example > .env.new
   mv .env.new .env)
  echo "made docker/.env with random secrets; keep a copy with your backups"
}

value() {  # of a setting in .env, else $2
  given=$(sed -n "s/^$1=//p" .env | tail -n 1)
  printf '%s' "${given:-$2}"
}

write_client() {
  (umask 077
   cat > client.env.new <<END
# For a shell of this machine (made by make up): . docker/client.env
export LGE_SWEEP_STORAGE=postgresql+psycopg://lge:$(value LEDGER_PASSWORD '')@127.0.0.1:$(value POSTGRES_PORT 5432)/lge_sweep
export MLFLOW_TRACKING_URI=http://127.0.0.1:$(value MLFLOW_PORT 5000)
END
   mv client.env.new client.env)
}

up() {
  check_docker
  [ -f .env ] || make_secrets
  LGE_VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' ../lge_sweep/__init__.py)
  LGE_REVISION=$(git -C .. rev-parse --short HEAD 2>/dev/null || true)
  export LGE_VERSION LGE_REVISION
  if ! docker compose up --build --detach --wait --wait-timeout 600; then
    docker compose ps --all || true
    fail "not everything has started; what a service says: cd docker && docker compose logs SERVICE. make up tries again"
  fi
  write_client
  cat <<END

PostgreSQL, MLflow and Ray are up, for this machine alone; MLflow: http://127.0.0.1:$(value MLFLOW_PORT 5000)

a sweep of this machine, with ledger and MLflow there:
  . docker/client.env
  make phase1 profile=smoke

in a container (results in the volume lge-sweep_runs), and on the Ray cluster:
  cd docker
  docker compose run --rm lge phase1 --profile smoke
  docker compose exec ray-head lge-sweep phase1 --profile smoke --executor ray --cluster ray-head:6379

make down stops it all and keeps what is in its volumes
END
}

down() {
  check_docker
  [ -f .env ] || fail "docker/.env is missing: nothing was started from here"
  docker compose --profile tools down
  echo "stopped; ledger, MLflow's runs and results stay in their volumes (docker volume ls)"
}

case ${1-} in
  up | down) "$1" ;;
  *) fail "usage: docker/stack.sh up|down" ;;
esac
