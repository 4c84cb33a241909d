import { StreamView, useStream } from '@open-game-system/stream-kit-server/react';
import { createRoot } from 'react-dom/client';

function Game() {
  const stream = useStream({ url: '/stream', create: { targetUrl: new URL('/game.html', location).href } });
  return (
    <>
      <StreamView stream={stream} />
      <p role="status">{stream.error?.message ?? stream.state?.status ?? stream.status}</p>
    </>
  );
}

createRoot(document.getElementById('root')).render(<Game />);
