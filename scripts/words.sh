#!/usr/bin/env bash
# Finds words and phrases that plain technical English does not use, in all text that people wrote: code, comments, docs,
# generated sentences. Prints each place with what to write instead. With paths, it looks only there.
#
#   scripts/words.sh [PATH...]
set -euo pipefail
cd "$(dirname "$0")/.."

# A pattern (a regular expression of Perl) and what to write. A space also matches a line break within a comment. Patterns
# in lower case match words at the start of a sentence too.
words='
(?<!there\s)\b(?:is|are|was|were) no (?!longer|more|less|other|doubt|matter)  is not a
\bshall\b                                      must, should or the present tense
\btold(?! you\b)                               reported, said; "distinguished" for "told apart"
\btells(?! (?:you|them|the (?:model|user|server))\b)                  says, reports, shows; "distinguishes" for "tells apart"
\banswers with\b                               returns, responds with
\bmistakes?\b                                  error
\bas (?:it|they) came\b                        unchanged, verbatim
\bcomfort\b                                    helper, convenience
\bmisfits?\b                                   mismatch
\bTrue where\b                                 Returns `true` if
/// True (?:if|when|for|after|once)\b          Returns `true` if; "Whether" for a field
\ballows? to\b                                 allows …ing, lets
\bstands? (?:in|at|on|there|with|behind|before|after|beside|where|under|alone|side)\b  is in, is at
\btowards\b                                    toward
\bdear(?:er|est)?\b                            expensive
\b(?:with|without|says?) a word\b              with a message, silently, says
\bpassed over\b                                skipped
\b(?:is|are|was|were) to be\b                  must be, should be
\bin place of\b                                instead of
\bbeside\b                                     next to, besides, along with
\bfor ever\b                                   forever, indefinitely
\b(?:can|cannot|to) be had\b                   is (not) available
\bin earnest\b                                 in production
\bsees? to it\b                                ensures
\bfilms?\b                                     video
\bwhere (?:there (?:is|are|was|were)|(?:it|they) (?:has|have|does|do|can|may))\b  if, when
\bbehaviour                                    behavior
\bcolour                                       color
\b(?:un)?(?:recogni|seriali|deseriali|organi|optimi|initiali|normali|summari|authori|minimi|maximi|capitali)s(?:e|es|ed|ing|ation|er)\b  -ize, -ization
\blicen[c]e                                    license
(?<![A-Z`"=.'"'"'/_])\bcancell(?:ed|ing)\b(?![`"'"'"'])   canceled, canceling
\b(?:favour|neighbour|honour|labell(?=ed|ing)(?!edby)|modell(?=ed|ing)|signall(?=ed|ing)|travell)  American spelling: favor, labeled
\b(?:centre|catalogue|artefact|analyse|whilst|amongst)\b  American spelling: center, catalog, analyze, while
'

# Places that are right: a path and a text on the line, with the reason.
allowed='
codegen/docs/video_generation.yaml             photo film                       a format of photographs
cli/tests/it/models.rs                         a/dear                           the name of a model
cli/tests/it/ask.rs                            Dear.                            the text of a model
'

# Generated from the API document or from files that are checked, other people'"'"'s words, and this list.
skipped='^(?:src/(?:models|funcs|sdk)/|src/errors/kind\.rs|docs/sdks/|llms|.*\.lock$|(?:cli/)?LICENSE|CODE_OF_CONDUCT|codegen/overlay/api\.txt'
skipped+='|codegen/tests/.*golden|codegen/tests/api/(?:facts\.json|registry\.rs)|.*\.(?:png|jsonl|bin)$|scripts/words\.sh$)'

git ls-files -- "$@" | WORDS="$words" ALLOWED="$allowed" SKIPPED="$skipped" perl -e '
    use strict;
    use warnings;
    my @words = map { [split /\s{2,}/, $_, 2] } grep { /\S/ } split /\n/, $ENV{WORDS};
    my @allowed = map { [split /\s{2,}/, $_, 3] } grep { /\S/ } split /\n/, $ENV{ALLOWED};
    for my $word (@words) {
        # Over the end of a line, with the mark of a comment at the start of the next one.
        $word->[0] =~ s{ }{(?: |[ ]*\\n\\s*(?:///?|//!|#|\\*)?[ ]*)}g;
        my $case = $word->[0] =~ /[A-Z]/ ? "" : "(?i)";
        $word->[0] = qr/$case$word->[0]/;
    }
    my $found = 0;
    while (my $path = <STDIN>) {
        chomp $path;
        next if $path =~ /$ENV{SKIPPED}/o || !-T $path;
        open my $file, "<", $path or die "$path: $!";
        my $text = do { local $/; <$file> };
        my @lines = split /\n/, $text;
        for my $word (@words) {
            while ($text =~ /$word->[0]/g) {
                my ($start, $found_text) = ($-[0], $&);
                my $number = 1 + (substr($text, 0, $start) =~ tr/\n//);
                my $line = $lines[$number - 1];
                next if grep { $path =~ /^$_->[0]/ && index($line, $_->[1]) >= 0 } @allowed;
                $found_text =~ s/\s+/ /g;
                $line =~ s/^\s+//;
                print "$path:$number: \"$found_text\" ($word->[1]): ", substr($line, 0, 110), "\n";
                $found++;
            }
        }
    }
    print STDERR "$found places; say it in other words, or add the place to scripts/words.sh with a reason\n" if $found;
    exit($found ? 1 : 0);
'
