#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The image's SPDX 2.3 document, as JSON, from what third_party.sh prints.
#
#   VERSION=0.1.0 SOURCE_DATE_EPOCH=0 container/spdx.sh ARCHITECTURE <LIST
set -euo pipefail

architecture=$1
list=$(cat)
tab=$(printf '\t')

# NAME VERSION LICENCE SHA256 PURL ("-": none)
package() {
	printf '    {"SPDXID": "SPDXRef-%s", "name": "%s", "versionInfo": "%s", "downloadLocation": "NOASSERTION",\n' "$1" "$1" "$2"
	printf '     "filesAnalyzed": false, "copyrightText": "NOASSERTION", "licenseDeclared": "NOASSERTION",\n'
	[ "$4" = - ] || printf '     "checksums": [{"algorithm": "SHA256", "checksumValue": "%s"}],\n' "$4"
	[ "$5" = - ] || printf '     "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
      "referenceLocator": "%s"}],\n' "$5"
	printf '     "licenseConcluded": "%s"}' "$3"
}

# The same list, the same name: nothing of the machine, and no random number.
sum=$(printf '%s\n' "$VERSION $architecture $SOURCE_DATE_EPOCH" "$list" | cut -f 1-6 | sha256sum | cut -c 1-32)
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
cat <<END
{
  "spdxVersion": "SPDX-2.3",
  "dataLicense": "CC0-1.0",
  "SPDXID": "SPDXRef-DOCUMENT",
  "name": "ringside-$VERSION-$architecture",
  "documentNamespace": "https://spdx.org/spdxdocs/ringside-$VERSION-$architecture-$sum",
  "creationInfo": {
    "created": "$created",
    "creators": ["Tool: ringside-container-spdx.sh"]
  },
  "packages": [
END
package ringside "$VERSION" 'Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)' - -
printf '%s\n' "$list" | while IFS=$tab read -r _ name version licence sum purl _; do
	printf ',\n'
	package "$name" "$version" "$licence" "$sum" "$purl"
done
printf '\n  ],\n  "relationships": [\n'
printf '    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-ringside"}'
printf '%s\n' "$list" | while IFS=$tab read -r role name _; do
	[ "$role" = linked ] && type=STATIC_LINK || type=DEPENDS_ON
	printf ',\n    {"spdxElementId": "SPDXRef-ringside", "relationshipType": "%s", "relatedSpdxElement": "SPDXRef-%s"}' "$type" "$name"
done
printf '\n  ]\n}\n'
