# Completion of postrider(8) in bash: commands and options as --help tells them, so that nothing can be
# forgotten here, and what waits in the queue by id, domain and sender, as far as it is the caller's.

# Of src/config/provider.c, and those that setup --from knows.
_postrider_providers="mailgun mailgun-eu ses sendgrid sendgrid-eu postmark brevo gmail google-workspace
    microsoft365 fastmail scaleway ovh"
_postrider_programs="msmtp ssmtp dma nullmailer postfix exim"

# The forms of a command, a line each: "queue show ID...".
_postrider_usage() {
    "$1" "$2" --help 2>/dev/null | sed -n 's/^  postrider \([a-z]\)/\1/p'
}

# The names of all commands, which stand before the other names of the program.
_postrider_commands() {
    "$1" --help 2>/dev/null | sed -n '/^By its/q; s/^  \([a-z-]*\)  .*/\1/p'
}

# What is in the queue, an object a line, with the settings that the command line names.
_postrider_queue() {
    local i config=()
    for ((i = 1; i < COMP_CWORD - 1; i++)); do
        [[ ${COMP_WORDS[i]} == -C ]] && config=(-C "${COMP_WORDS[i + 1]}")
    done
    "$1" queue list --json "${config[@]}" 2>/dev/null
}

# Of the lines on standard input, those that begin so. Whoever sends mail chooses addresses: what a shell
# could take for more than a word is never offered, nor does any line meet an expansion on its way.
_postrider_offer() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        [[ $line == "$1"* && $line =~ ^[A-Za-z0-9._@+=-]+$ ]] && COMPREPLY+=("$line")
    done < <(sort -u)
}

_postrider() {
    local program=$1 cur=$2 prev=$3 command=${COMP_WORDS[1]} usage second=
    if ((COMP_CWORD == 1)); then
        _postrider_offer "$cur" < <(
            _postrider_commands "$program"
            printf '%s\n' help --help --version
        )
        return
    fi
    if [[ $command == help ]]; then
        _postrider_offer "$cur" < <(_postrider_commands "$program")
        return
    fi
    usage=$(_postrider_usage "$program" "$command")
    # queue's second word narrows it: "queue hold|release ID...".
    if [[ $command == queue ]]; then
        second=$(sed -n 's/^queue \([][a-z|]*\).*/\1/p' <<<"$usage" | tr -d '[]' | tr '|' '\n')
        if ((COMP_CWORD > 2)); then
            if grep -qxF -e "${COMP_WORDS[2]}" <<<"$second"; then
                usage=$(grep -E "^queue [^ ]*\\<${COMP_WORDS[2]}\\>" <<<"$usage")
            fi
            second=
        fi
    fi
    case $prev in
    -C | --file | --password-file | --tls-trust | --from-root)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    --domain)
        _postrider_offer "$cur" < <(
            _postrider_queue "$program" | grep -oE '"address":"(\\.|[^"\])*' | sed 's/.*@//'
        )
        ;;
    --sender)
        _postrider_offer "$cur" < <(
            _postrider_queue "$program" | grep -oE '"sender":"(\\.|[^"\])*' | sed 's/^"sender":"//'
        )
        ;;
    --provider)
        _postrider_offer "$cur" < <(printf '%s\n' $_postrider_providers)
        ;;
    --from)
        _postrider_offer "$cur" < <(printf '%s\n' $_postrider_programs)
        ;;
    --type)
        _postrider_offer "$cur" < <(
            sed -n 's/.*--type \([a-z0-9|]*\).*/\1/p' <<<"$usage" | tr '|' '\n'
        )
        ;;
    *)
        _postrider_offer "$cur" < <(
            if [[ $cur == -* ]]; then
                grep -o -e '--[a-z][a-z-]*' <<<"$usage"
                printf '%s\n' -C --help
            else
                echo "$second"
                [[ $command == setup && $COMP_CWORD == 2 ]] && printf '%s\n' $_postrider_providers
                [[ $usage =~ [[:space:]\[]ID ]] &&
                    _postrider_queue "$program" | sed -n 's/.*"id":"\([^"]*\)".*/\1/p'
            fi
        )
        ;;
    esac
}

complete -F _postrider postrider
