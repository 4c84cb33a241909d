import type { StreamError } from '@open-game-system/stream-kit-server/client';

/** An error as a headline and what can be done about it. */
export interface ErrorText {
  headline: string;
  explanation: string;
}

/** Words for an error; codes that are not listed speak for themselves by their message. */
export function errorText(error: StreamError): ErrorText {
  switch (error.code) {
    case 'no_such_session':
      return {
        headline: 'This session is over.',
        explanation: 'Its link is no longer valid. You can start a new one.',
      };
    case 'at_capacity':
      return { headline: 'The server is full.', explanation: waitHint(error.retryAfterMs) };
    case 'ice_failed':
      return {
        headline: 'The picture cannot get through.',
        explanation:
          'The page is connected, but no network path for media was found. A firewall may block UDP, or the server needs a TURN server.',
      };
    case 'peer_failed':
      return { headline: 'The media connection failed.', explanation: `${error.message}.` };
    case 'no_codec':
      return { headline: 'This browser cannot decode the picture.', explanation: `${error.message}.` };
    case 'webrtc_unsupported':
      return { headline: 'This browser has no WebRTC.', explanation: 'Please try another one.' };
    case 'network':
      return {
        headline: 'The server cannot be reached.',
        explanation: 'Check that it is running and that you are online, then try again.',
      };
    case 'unauthorized':
    case 'forbidden':
      return { headline: 'You may not watch this.', explanation: `${error.message}.` };
    default:
      return { headline: 'Something went wrong.', explanation: `${error.message} (${error.code}).` };
  }
}

function waitHint(retryAfterMs: number | undefined): string {
  const hint = 'Every session runs a browser of its own, and no more fit right now.';
  return retryAfterMs === undefined
    ? `${hint} Try again later.`
    : `${hint} Try again in ${Math.max(1, Math.round(retryAfterMs / 1000))} s.`;
}

/** Why a session ended, for the reasons that are no error. */
export function closedText(reason: string): ErrorText {
  return {
    headline: reason === 'client' ? 'You have left.' : 'The session has ended.',
    explanation:
      reason === 'client'
        ? 'It goes on for the others; its link still works.'
        : 'Start again whenever you like.',
  };
}
