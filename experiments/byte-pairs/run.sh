# Bytes, tokens that reach as far, and tokens in a context of the same length.
#   hpogen demo-data licences && bash experiments/byte-pairs/run.sh
set -eu
here=$(dirname "$0")
study() {
    folder=$1
    shift
    mkdir -p "$folder"
    script=$(hpogen render --config "$here/licences.yaml" --data data/licences.csv --out "$folder" --force -q "$@")
    log=$folder.log
    python "$script" --log "$log" --out "$folder/outputs"
    gzip -9nf "$log"
}
study bytes
study tokens_32 --set model.vocab_size=1000 --set model.context_length=32
study tokens_128 --set model.vocab_size=1000
# Bytes, trained four times as long: one trial.
study bytes_20_epochs --set fixed.epochs=20 --set study.n_trials=1
