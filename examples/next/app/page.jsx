'use client';

import { connectStream, controlStream } from '@open-game-system/stream-kit-server/client';
import { useEffect, useRef } from 'react';

export default function Page() {
  const video = useRef(null);
  useEffect(() => {
    const targetUrl = new URL('/game.html', location.href).href;
    const stream = connectStream({ url: '/stream', create: { targetUrl }, video: video.current });
    void controlStream(stream, video.current);
    return () => stream.terminate();
  }, []);
  return <video ref={video} autoPlay playsInline />;
}
