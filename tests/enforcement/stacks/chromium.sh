#!/bin/sh
# Chromium (BoringSSL): one headless browser asks every target from a page, and prints `HOST:PORT works|fails`.
#   chromium.sh [--chromium-option...] HOST:PORT...
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
options= targets=
for word; do
  case $word in
    --*) options="$options $word" ;;
    *) targets="$targets \"$word\"," ;;
  esac
done
cat > "$home/page.html" <<PAGE
<pre id="out"></pre><script>
(async () => {
  for (const target of [$targets]) {
    const stop = AbortSignal.timeout(15000);
    const answer = await fetch('https://' + target + '/', { mode: 'no-cors', cache: 'no-store', signal: stop })
      .then(() => 'works', () => 'fails');
    document.getElementById('out').append(target + ' ' + answer + '\n');
  }
  document.getElementById('out').append('all asked\n');
})();
</script>
PAGE
# shellcheck disable=SC2086 # options are words
chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
  --disable-component-update --disable-sync --disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests \
  --ignore-certificate-errors --allow-file-access-from-files --user-data-dir="$home/data" --virtual-time-budget=600000 \
  $options --dump-dom "file://$home/page.html" 2>/dev/null | grep -E '(works|fails)$' | sed 's/.*>//'
